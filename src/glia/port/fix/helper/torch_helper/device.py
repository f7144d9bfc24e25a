"""Which device the code runs on."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import platform
from typing import Any

import torch

_CUDA = "cuda"  # glia: ignore[C003] the one place that names it
_HOST = "cpu"
_SINGLE = (_HOST, "mps", "xla")  # a process has one of these: they are named without an index


def kind() -> str:
    """`cuda` where there is CUDA (or ROCm), else what else accelerates here, else `cpu`."""
    chosen = os.environ.get("ACCEL_DEVICE")
    if chosen:
        return chosen
    return _CUDA if _has_cuda() else _other_kind()


def _has_cuda() -> bool:
    """For code that did not ask before: it counts devices, which does not start CUDA, so that
    afterwards CUDA_VISIBLE_DEVICES may still be set and processes may still be forked.
    torch.compile can read the other question alone without a break of its graph."""
    if _is_compiling():
        return torch.cuda.is_available()  # glia: ignore[C006] here the machine is asked
    return torch.cuda.device_count() > 0  # glia: ignore[C007] here the machine is asked


def _is_compiling() -> bool:
    compiler = getattr(torch, "compiler", None)  # since PyTorch 2.1
    return compiler is not None and compiler.is_compiling()


def _other_kind() -> str:
    if _has_xla():
        return "xla"
    accelerator = getattr(torch, "accelerator", None)  # since PyTorch 2.6
    if accelerator is not None:
        return accelerator.current_accelerator().type if accelerator.is_available() else _HOST
    return "mps" if torch.backends.mps.is_available() else _HOST


@functools.cache
def _has_xla() -> bool:
    """A torch_xla without a runtime is another package's stand-in: nothing runs on it."""
    if any(importlib.util.find_spec(name) is None for name in ("torch_xla", "torch_xla.runtime")):
        return False
    from torch_xla import runtime

    return runtime.device_type() in ("TPU", "NEURON")


def _torch_accelerator() -> Any:
    """`torch.accelerator` where it has a device, else None: its functions raise without one."""
    accelerator = getattr(torch, "accelerator", None)
    return accelerator if accelerator is not None and accelerator.is_available() else None


def is_cuda() -> bool:
    """True where the code runs on CUDA (or ROCm)."""
    return kind() == _CUDA


def is_available() -> bool:
    """True where there is an accelerator of any kind. On CUDA the code's own question: a device
    that is counted may be of no use, as where the driver is too old."""
    if kind() == _CUDA:
        return torch.cuda.is_available()  # glia: ignore[C006] as before
    return kind() != _HOST


def device(which: Any = None) -> str:
    """The device as text: `cuda`, for 1 or "1" `cuda:1`; elsewhere the accelerator, or `cpu`."""
    here = kind()
    text = "" if which is None else f"{which}"  # a tensor of one number as that number
    name, _, index = text.rpartition(":")
    if here == _CUDA:
        return f"{name or here}:{index}" if index.isdigit() else text or here
    foreign = name not in ("", _CUDA)
    return here if foreign or here in _SINGLE or not index.isdigit() else f"{here}:{index}"


def available_device(which: Any = None) -> str:
    """`"cuda" if torch.cuda.is_available() else "cpu"`, for any accelerator."""
    return device(which) if is_available() else _HOST


def place(which: Any) -> str | None:
    """As `device`, for `x.to(which)`: None stays None, which leaves x where it is."""
    return None if which is None else device(which)


def accelerator_type() -> str:
    """What to compare device types with: the accelerator here; `cuda` where there is none, so that
    such comparisons stay false on the CPU."""
    here = kind()
    return _CUDA if here == _HOST else here


def is_accelerator(device: Any) -> bool:
    """True for a text that names the accelerator here; never on the CPU."""
    return accelerator_type() in device


def device_type(device: Any) -> str:
    """The accelerator here where the device is one, else `cpu`: what torch.autocast takes."""
    name = device.type if isinstance(device, torch.device) else device
    return kind() if is_accelerator(name) else _HOST


def on_accelerator(tensor: Any) -> bool:
    """True for a tensor that lies on the accelerator."""
    if kind() == _CUDA:
        return bool(tensor.is_cuda)
    return is_available() and tensor.device.type == kind()


def current_device() -> Any:
    """The number of the current CUDA device; elsewhere a name that `.to()` takes."""
    if kind() == _CUDA:
        return torch.cuda.current_device()
    return kind()


def set_device(device: Any) -> None:
    """Choose the device of this process; nothing to choose on the CPU and under XLA."""
    if kind() == _CUDA:
        torch.cuda.set_device(device)
    elif kind() not in _SINGLE and (accelerator := _torch_accelerator()):
        index = (place(device) or "").rpartition(":")[2]
        if index.isdigit():
            accelerator.set_device_index(int(index))


def use_device(device: Any) -> Any:
    """A block that runs on this device, for `with`."""
    if kind() == _CUDA:
        return torch.cuda.device(device)
    accelerator = _torch_accelerator()
    if isinstance(device, int) and kind() not in _SINGLE and hasattr(accelerator, "device_index"):
        return accelerator.device_index(device)
    return contextlib.nullcontext()


def device_count() -> int:
    """Devices that this process may use; the CPU counts as one."""
    if kind() == _CUDA:
        return torch.cuda.device_count()
    if kind() == "xla":
        from torch_xla import runtime

        return int(runtime.global_runtime_device_count())
    accelerator = _torch_accelerator()
    return accelerator.device_count() if accelerator and kind() not in _SINGLE else 1


def device_name(device: Any = None) -> str:
    """A name to show."""
    if kind() == _CUDA:
        return torch.cuda.get_device_name(device)
    return (platform.processor() or platform.machine()) if kind() == _HOST else kind()


def if_cuda(value: Any) -> Any:
    """The value where the code runs on CUDA, else None: for arguments that only CUDA knows."""
    return value if kind() == _CUDA else None
