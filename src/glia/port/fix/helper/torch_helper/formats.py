"""Number formats and switches."""

from __future__ import annotations

import functools
from typing import Any

import torch

from glia.port.fix.helper.torch_helper.device import _CUDA, _HOST, device, kind

# Mixed precision was off where CUDA was absent. True: bfloat16 on the CPU too, slower but nearer
# to what an accelerator computes.
AUTOCAST_ON_CPU = False


def autocast(
    device_type: str | None = None,
    dtype: Any = None,
    enabled: bool = True,
    cache_enabled: bool | None = None,
) -> Any:
    """As torch.autocast. Elsewhere than on CUDA in bfloat16; on the CPU see AUTOCAST_ON_CPU."""
    if kind() == _CUDA:
        return torch.autocast(
            device_type or _CUDA, dtype=dtype, enabled=enabled, cache_enabled=cache_enabled
        )
    here = device_type or kind()
    if kind() == _HOST:
        enabled = enabled and AUTOCAST_ON_CPU
    return torch.autocast(here, dtype=torch.bfloat16, enabled=enabled, cache_enabled=cache_enabled)


def amp_autocast(
    enabled: bool = True,
    dtype: Any = torch.float16,  # glia: ignore[C042] it says nothing elsewhere
    cache_enabled: bool = True,
) -> Any:
    """As torch.cuda.amp.autocast: its format is float16 also inside of an autocast of another."""
    if kind() == _CUDA:
        return torch.cuda.amp.autocast(
            enabled, dtype, cache_enabled
        )  # glia: ignore[C038] as before
    return autocast(enabled=enabled, cache_enabled=cache_enabled)


def grad_scaler(*args: Any, **kwargs: Any) -> Any:
    """A GradScaler; elsewhere than on CUDA it is turned off, as bfloat16 needs none."""
    if kind() == _CUDA:
        return torch.amp.GradScaler(_CUDA, *args, **kwargs)
    return torch.amp.GradScaler(_HOST, enabled=False)


def amp_grad_scaler(*args: Any, **kwargs: Any) -> Any:
    """As `grad_scaler`, of the older class torch.cuda.amp.GradScaler."""
    if kind() == _CUDA:
        return torch.cuda.amp.GradScaler(*args, **kwargs)  # glia: ignore[C040] as before
    return torch.cuda.amp.GradScaler(enabled=False)  # glia: ignore[C040] it does nothing


def custom_fwd(fwd: Any = None, *, cast_inputs: Any = None) -> Any:
    """The decorator of a `forward` of one's own under autocast."""
    if kind() == _CUDA:
        older = torch.cuda.amp.custom_fwd  # glia: ignore[C041] as before
        return older(fwd, cast_inputs=cast_inputs)
    return torch.amp.custom_fwd(fwd, device_type=kind(), cast_inputs=cast_inputs)


def custom_bwd(bwd: Any) -> Any:
    """The decorator of a `backward` of one's own under autocast."""
    if kind() == _CUDA:
        return torch.cuda.amp.custom_bwd(bwd)  # glia: ignore[C041] as before
    return torch.amp.custom_bwd(bwd, device_type=kind())


def is_bf16_supported(*args: Any, **kwargs: Any) -> bool:
    """CUDA is asked; the other accelerators compute in bfloat16. On the CPU False, as CUDA's answer
    was there, so that the code takes the branch that it took."""
    if kind() == _CUDA:
        return torch.cuda.is_bf16_supported(*args, **kwargs)
    return kind() != _HOST


def new_tensor(name: str, *args: Any) -> Any:
    """`new_tensor("FloatTensor", ...)` is what torch.cuda.FloatTensor(...) was."""
    if kind() == _CUDA:
        return getattr(torch.cuda, name)(*args)
    return getattr(torch, name)(*args).to(device())


def to_type(value: Any, name: str) -> Any:
    """`to_type(x, "FloatTensor")` is what x.type(torch.cuda.FloatTensor) was."""
    if kind() == _CUDA:
        return value.type(getattr(torch.cuda, name))
    return value.type(getattr(torch, name)).to(device())


def set_default_tensor_type(name: str) -> None:
    """Make new tensors of this type, on the device."""
    if kind() == _CUDA:
        torch.set_default_tensor_type(getattr(torch.cuda, name))  # glia: ignore[C013] as before
        return
    torch.set_default_dtype(getattr(torch, name).dtype)
    if kind() != _HOST:
        torch.set_default_device(device())


def set_flag(name: str, value: Any) -> None:
    """`set_flag("cudnn.benchmark", True)` sets torch.backends.cudnn.benchmark, on CUDA only."""
    if kind() == _CUDA:
        *owners, last = name.split(".")
        setattr(functools.reduce(getattr, owners, torch.backends), last, value)
