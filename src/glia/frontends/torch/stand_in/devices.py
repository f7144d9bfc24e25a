"""Devices of CUDA in calls of PyTorch: each becomes the CPU, and the line that asked is kept."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from glia.core.records import SourceLine
from glia.frontends.torch.sources import innermost, is_of_torch

_T = torch.Tensor
_UNCHANGED = (_T.cuda, _T.pin_memory)
# A number is a device of CUDA where these take it.
_TAKING_NUMBERS = (_T.to,)
_IS_CUDA = _T.is_cuda.__get__  # type: ignore[attr-defined]
_OLD_TYPES = "torch.cuda."


class OnTheCpu(TorchFunctionMode):
    """Inside, tensors that are asked for on a CUDA device are on the CPU; `asked` counts lines.

    Modes belong to a thread: others that the model starts meet PyTorch as it is.
    """

    def __init__(self, asked: Counter[SourceLine]) -> None:
        super().__init__()
        self.asked = asked

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _UNCHANGED:
            note(self.asked)
            return args[0]
        if func == _IS_CUDA and from_outside(sys._getframe(1)):
            return True
        if any(is_cuda(a) for a in (*args, *kwargs.values())) or kwargs.get("pin_memory"):
            note(self.asked)
            args, kwargs = moved(args, kwargs)
        if func in _TAKING_NUMBERS and len(args) > 1 and type(args[1]) is int:
            note(self.asked)
            args = (args[0], "cpu", *args[2:])
        if type(kwargs.get("device")) is int:
            note(self.asked)
            kwargs = {**kwargs, "device": "cpu"}
        return func(*args, **kwargs)


def note(asked: Counter[SourceLine]) -> None:
    """Count one request at the user's line that is under way."""
    if torch.compiler.is_compiling():  # torch.compile follows this code and keeps no counts
        return
    line = _calling(sys._getframe(1))
    if line is not None:
        asked[line] += 1


def is_cuda(value: Any) -> bool:
    """True for a device of CUDA, however it is written, and for the old types of tensors."""
    if isinstance(value, str):
        return value.startswith(("cuda", _OLD_TYPES))
    return isinstance(value, torch.device) and value.type == "cuda"


def on_cpu(value: Any) -> Any:
    """The same on the CPU, when the value is a device of CUDA; a number is one, too."""
    if isinstance(value, str) and value.startswith(_OLD_TYPES):
        return value.replace(_OLD_TYPES, "torch.")
    return "cpu" if is_cuda(value) or type(value) is int else value


def moved(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with the CPU for devices of CUDA, and without pinned memory."""
    kept = {name: value for name, value in kwargs.items() if name != "pin_memory"}
    return (
        tuple(on_cpu(a) if is_cuda(a) else a for a in args),
        {name: on_cpu(v) if is_cuda(v) else v for name, v in kept.items()},
    )


def from_outside(frame: FrameType) -> bool:
    """True when the user's code or a library asks, and not PyTorch itself."""
    return not is_of_torch(frame.f_code.co_filename)


def answering(
    original: Callable[..., Any], answer: Callable[..., Any], asked: Counter[SourceLine]
) -> Callable[..., Any]:
    """`answer` for the user's code, which is noted; PyTorch itself goes on to hear the truth."""

    def ask(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling() or from_outside(sys._getframe(1)):
            note(asked)
            return answer(*args, **kwargs)
        return original(*args, **kwargs)

    return ask


def _calling(frame: FrameType | None) -> SourceLine | None:
    frames: list[SourceLine] = []
    while frame is not None:
        frames.append(SourceLine(frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return innermost(frames[::-1])
