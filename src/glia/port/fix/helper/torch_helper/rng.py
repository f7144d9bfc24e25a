"""Seeds and states of generators."""

from __future__ import annotations

from typing import Any

import torch

from glia.port.fix.helper.torch_helper.device import _CUDA, _HOST, kind


def manual_seed(seed: int, host: bool = False) -> None:
    """Seed the generator of the device. `host`: on the CPU, seed PyTorch's generator, which is the
    device's there; False where the code calls torch.manual_seed itself."""
    if kind() == _CUDA:
        torch.cuda.manual_seed(seed)
    else:
        _seed_other(seed, host)


def manual_seed_all(seed: int, host: bool = False) -> None:
    """Seed the generators of all devices; `host` as in `manual_seed`."""
    if kind() == _CUDA:
        torch.cuda.manual_seed_all(seed)
    else:
        _seed_other(seed, host)


def _seed_other(seed: int, host: bool) -> None:
    if kind() == _HOST:
        if host:
            torch.manual_seed(seed)
        return
    if kind() == "xla":
        import torch_xla.core.xla_model as xm

        xm.set_rng_state(int(seed))
        return
    module = getattr(torch, kind(), None)
    seed_device = getattr(module, "manual_seed_all", getattr(module, "manual_seed", None))
    if seed_device is None:
        raise RuntimeError(f"seeding {kind()}: torch.{kind()} has no manual_seed")
    seed_device(seed)


def get_rng_state(*args: Any, **kwargs: Any) -> Any:
    """The state of the device's generator; on the CPU that of PyTorch's."""
    if kind() == _CUDA:
        return torch.cuda.get_rng_state(*args, **kwargs)
    return _rng_owner().get_rng_state()


def set_rng_state(new_state: Any, *args: Any, **kwargs: Any) -> None:
    """Restore what `get_rng_state` gave."""
    if kind() == _CUDA:
        torch.cuda.set_rng_state(new_state, *args, **kwargs)
    else:
        _rng_owner().set_rng_state(new_state)


def get_rng_state_all() -> list[Any]:
    """The states of all devices; elsewhere a list of one."""
    if kind() == _CUDA:
        return torch.cuda.get_rng_state_all()
    return [_rng_owner().get_rng_state()]


def set_rng_state_all(new_states: Any) -> None:
    """Restore what `get_rng_state_all` gave."""
    if kind() == _CUDA:
        torch.cuda.set_rng_state_all(new_states)
    elif len(new_states):
        _rng_owner().set_rng_state(new_states[0])


def _rng_owner() -> Any:
    """The module that keeps the state of the generator."""
    if kind() == _HOST:
        return torch
    if kind() == "xla":
        import torch_xla.core.xla_model as xm

        return xm
    return getattr(torch, kind())
