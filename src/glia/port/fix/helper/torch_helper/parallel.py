"""Data, checkpoints, many devices, compilation."""

from __future__ import annotations

from typing import Any

from glia.port.fix.helper.torch_helper.device import _CUDA, _HOST, kind


def can_pin() -> bool:
    """True where pinned host memory speeds up copies to the device."""
    return kind() == _CUDA


def pin(tensor: Any) -> Any:
    """The tensor in pinned memory, where that means something."""
    if kind() == _CUDA:
        return tensor.pin_memory()
    return tensor


def map_location() -> str | None:
    """Where torch.load puts what was saved on CUDA: there on CUDA, else on the host."""
    return None if kind() == _CUDA else _HOST


def generator_device() -> str:
    """Where a generator lives: on CUDA; elsewhere on the host, whose numbers move to the device."""
    return _CUDA if kind() == _CUDA else _HOST


def dist_backend() -> str:
    """The backend of torch.distributed that belongs to the device."""
    here = kind()
    if here in (_CUDA, _HOST):
        return "nccl" if here == _CUDA else "gloo"  # glia: ignore[C103] the one place that names it
    return {"xpu": "xccl", "hpu": "hccl", "mps": "gloo"}.get(here, here)


def compile_backend() -> str:
    """The backend of torch.compile that belongs to the device."""
    return {"neuron": "neuron", "xla": "openxla"}.get(kind(), "inductor")


def fused_optimizer() -> bool:
    """True where PyTorch's optimizers have a fused kernel."""
    return kind() in (_CUDA, _HOST)
