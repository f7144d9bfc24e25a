"""Stand-in for `torch_xla`: the device is the CPU, where glia simulates the chip."""

from __future__ import annotations

from typing import Any


def device(index: int | None = None) -> Any:
    """The device to put tensors on."""
    import torch

    return torch.device("cpu")


def sync(*args: Any, **kwargs: Any) -> None:
    """Nothing waits: kernels run when they are called."""
