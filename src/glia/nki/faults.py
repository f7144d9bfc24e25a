"""What an ordinary Python error of a kernel is about: an argument of the launch, or a wrong call.

Python says where its own step failed, which lies inside glia or in a line that is right; the
author of the kernel is told what was given in its place.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Mapping
from types import FrameType
from typing import Any

from glia.core.errors import KernelError
from glia.isa.launch.located import LocatedError, is_internal
from glia.isa.launch.misfit import shown_parameters
from glia.isa.rules import described
from glia.isa.tensors.tensor import NkiTensor


def explained(error: KernelError, kernel: str, arguments: Mapping[str, Any]) -> KernelError:
    """The error of a kernel in better words, where its cause is one that Python raised."""
    cause = error.__cause__
    if (
        cause is None
        or isinstance(cause, (KernelError, Warning))
        or not isinstance(error, LocatedError)
    ):
        return error
    text = _of_argument(cause, kernel, arguments) or _of_call(cause)
    if not text:
        return error
    place = str(error).split(f" {type(cause).__name__}: ", 1)[0]
    made = type(error)(f"{place} {text}")
    made.__cause__ = cause
    return made


def _of_argument(cause: BaseException, kernel: str, arguments: Mapping[str, Any]) -> str:
    """An argument that the kernel uses as a tensor and that is none."""
    if not isinstance(cause, AttributeError) or not hasattr(NkiTensor, str(cause.name)):
        return ""
    for name, value in arguments.items():
        if value is cause.obj and not isinstance(value, NkiTensor):
            return (
                f"kernel {kernel}, argument {name}: got {described(value)}, expected a tensor, "
                f"since .{cause.name} is asked of it; pass an array of NumPy or PyTorch there"
            )
    return ""


def _of_call(cause: BaseException) -> str:
    """A function of glia that fails on what it was given."""
    frames = [frame for frame, _ in traceback.walk_tb(cause.__traceback__)]
    if not frames or not is_internal(frames[-1].f_code.co_filename):
        return ""
    outside = [i for i, f in enumerate(frames) if not is_internal(f.f_code.co_filename)]
    inside = frames[outside[-1] + 1 :] if outside else []
    called = next((found for f in inside if (found := _called(f))), None)
    if called is None:
        return ""
    name, signature, given = called
    got = ", ".join(f"{k}={_shown(v)}" for k, v in given.items())
    return (
        f"calling {name}: got {got}, expected {name}({shown_parameters(signature)}) of the "
        f"documented types; {type(cause).__name__}: {cause}"
    )


def _called(frame: FrameType) -> tuple[str, inspect.Signature, dict[str, Any]] | None:
    """Name, parameters and arguments of a frame's function, if it is a public one."""
    values = inspect.getargvalues(frame)
    name = frame.f_code.co_name
    owner = values.locals.get("self")
    if isinstance(owner, NkiTensor):
        function = getattr(owner, name, None)
    else:
        function = frame.f_globals.get(name)
    function = inspect.unwrap(function) if callable(function) else None
    if name.startswith("_") or getattr(function, "__code__", None) is not frame.f_code:
        return None
    assert function is not None
    signature = inspect.signature(function)
    return name, signature, {k: values.locals[k] for k in signature.parameters}


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, NkiTensor) else repr(value)[:60]
