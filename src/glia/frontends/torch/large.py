"""Models too large to draw weights for, built to be looked at: some layers, and weights of zeros.

Layers repeat, so those up to the first that brings nothing new stand for all. Large weights are
memory that nobody wrote to, which takes no room until somebody does.
"""

from __future__ import annotations

import math
import mmap
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_LARGE_BYTES = 32 * 2**20
_FACTORIES = (torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn)
# Linux counts no such memory before it is written to; Python names the flag since 3.13.
_UNRESERVED = getattr(mmap, "MAP_NORESERVE", 0x4000)
_PLAIN = (bool, int, str, float, type(None))
_NUMBERING = ("idx", "index", "layer_id")  # attributes that tell only which layer it is


class Undrawn(TorchFunctionMode):
    """Inside, large tensors are zeros that were never written: initial values are left out."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _FACTORIES and str(kwargs.get("device") or "cpu") == "cpu":
            shape = func(*args, **{**kwargs, "device": "meta"})
            return _zeros(shape) if _is_large(shape) else func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        target = args[0] if args else kwargs.get("tensor")
        is_in_place = name.endswith("_") and not name.startswith("__")
        if is_in_place and isinstance(target, torch.Tensor) and _is_large(target):
            return target
        return func(*args, **kwargs)


def _is_large(tensor: torch.Tensor) -> bool:
    return tensor.numel() * tensor.element_size() > _LARGE_BYTES


def _zeros(like: torch.Tensor) -> torch.Tensor:
    """Zeros in memory of the system that is not there before somebody writes to it."""
    if not hasattr(mmap, "MAP_PRIVATE"):  # not on Windows
        return torch.zeros_like(like, device="cpu")
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _UNRESERVED
    size = math.prod(like.shape) * like.element_size()
    flat = torch.frombuffer(mmap.mmap(-1, size, flags=flags), dtype=like.dtype)
    return flat.view(like.shape).requires_grad_(like.requires_grad)


def num_telling_layers(model: torch.nn.Module) -> int | None:
    """How many layers, from the first, show every kind that there is; None when there are none.

    At least two, where there are two: what one layer hands to the next is seen then.
    """
    lists = [m for m in model.modules() if isinstance(m, torch.nn.ModuleList)]
    layers = max((m for m in lists if len(m) > 1), key=_num_parameters, default=None)
    if layers is None:
        return None
    first: dict[Any, int] = {}
    for place, layer in enumerate(layers):
        first.setdefault(_kind(layer), place)
    return max(2, max(first.values()) + 1)


def _num_parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _kind(layer: torch.nn.Module) -> Any:
    """What makes a layer another than its neighbours: its parts, their sizes and their switches."""
    sizes = tuple((name, tuple(p.shape)) for name, p in layer.named_parameters())
    return sizes, tuple((type(m), _switches(m)) for m in layer.modules())


def _switches(module: torch.nn.Module) -> tuple[tuple[str, Any], ...]:
    return tuple(
        (name, value)
        for name, value in sorted(vars(module).items())
        if isinstance(value, _PLAIN) and not any(word in name for word in _NUMBERING)
    )
