"""Conditions that the triggers of several rules share."""

from __future__ import annotations

import ast
from collections.abc import Callable

from glia.port.source.hits import Hit

_TORCH_ROOTS = {
    "torch", "torchvision", "torchaudio", "transformers", "diffusers", "accelerate", "lightning",
    "pytorch_lightning", "timm", "peft", "trl",
}  # fmt: skip


def in_torch_file(hit: Hit) -> bool:
    """Methods have no type when read: they count in files that import PyTorch or its family."""
    roots = {name.split(".")[0] for name in hit.module.names.values()}
    return bool(roots & _TORCH_ROOTS)


def names_cuda(text: str | None) -> bool:
    """`cuda`, `cuda:0` and `cuda:*`."""
    return text is not None and (text == "cuda" or text.startswith("cuda:"))


def argument_of(*functions: str) -> Callable[[Hit], bool]:
    """The text is an argument of one of these functions."""

    def holds(hit: Hit) -> bool:
        return hit.call is not None and hit.module.dotted(hit.call.func) in functions

    return holds


def is_called(hit: Hit) -> bool:
    """The name is the function of a call."""
    return hit.call is not None and hit.call.func is hit.node


def is_true(hit: Hit) -> bool:
    """The keyword is given as True."""
    value = hit.node.value if isinstance(hit.node, ast.keyword) else None
    return isinstance(value, ast.Constant) and value.value is True
