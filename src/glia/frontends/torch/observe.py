"""Runs a module on the CPU as it is, and writes down each operation and each wait of the host.

Nothing is captured, so nothing can refuse: code that decides by values is seen where it decides.
"""

from __future__ import annotations

import linecache
import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from glia.core.records import SourceLine
from glia.frontends.operations import WATCHED, Observation, Operation, Sync, SyncKind, TensorFact
from glia.frontends.torch.sources import innermost

_LARGEST_SCANNED = 1 << 22  # elements of an integer tensor whose values are looked at
_NO_NUMBER = 1 << 62  # what infinities become as integers, and sums around it
_T = torch.Tensor
_SYNCS: dict[Any, SyncKind] = {
    _T.__bool__: "bool",
    _T.__contains__: "bool",
    torch.is_nonzero: "bool",
    torch.equal: "bool",
    torch.allclose: "bool",
    _T.equal: "bool",
    _T.allclose: "bool",
    _T.item: "number",
    _T.__int__: "number",
    _T.__float__: "number",
    _T.__index__: "number",
    _T.__complex__: "number",
    _T.tolist: "list",
    _T.numpy: "numpy",
    _T.__array__: "numpy",
    _T.__repr__: "text",
    _T.__format__: "text",
    _T.cpu: "copy",
}
_VALUE_OF = ("_local_scalar_dense",)


def observe(
    module: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], calls: int = 2
) -> Observation:
    """What `module(*args, **kwargs)` does; see `Observation`. Errors of the module pass through.

    With two calls, whether the second repeats the first: operations, sizes and values.
    """
    states = _host_states()
    first = _Recorder()
    result = first.run(module, args, kwargs)
    drew = _host_states() != states
    lines = _lines_that_draw(module, args, kwargs) if drew else ()
    changed: tuple[SourceLine | None, ...] = ()
    differ = False
    if calls > 1:
        second = _Recorder()
        again = second.run(module, args, kwargs)
        changed = _first_difference(first.operations, second.operations)
        differ = not same_values(result, again)
    return Observation(
        tuple(first.operations),
        tuple(Sync(kind, source, n) for (kind, source), n in first.syncs.items()),
        lines,
        changed,
        differ,
        tuple(dict.fromkeys(o.name for o in first.operations if _is_random(o))),
    )


def same_values(one: Any, other: Any) -> bool:
    """True when all tensors and numbers of two results are the same, bit for bit."""
    left, right = pytree.tree_leaves(one), pytree.tree_leaves(other)
    return len(left) == len(right) and all(map(_same, left, right))


def _same(one: Any, other: Any) -> bool:
    if not isinstance(one, torch.Tensor) or not isinstance(other, torch.Tensor):
        return type(one) is type(other) and (one is other or bool(one == other) or one != one)
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.layout != torch.strided or one.is_quantized:
        one, other = one.to_dense(), other.to_dense()
    same = one == other
    if one.dtype.is_floating_point or one.dtype.is_complex:
        same |= one.isnan() & other.isnan()
    return bool(same.all())


def _is_random(operation: Operation) -> bool:
    return "nondeterministic_seeded" in operation.tags


class _Recorder:
    """One recorded call."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self.syncs: Counter[tuple[SyncKind, SourceLine | None]] = Counter()
        self.inside = 0

    def run(
        self, module: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        with torch.no_grad(), _Functions(self), _Calls(self):
            return module(*args, **dict(kwargs))

    def source(self) -> SourceLine | None:
        return _source(self.run.__func__.__code__)  # type: ignore[attr-defined]

    def add(self, function: Any, args: Any, kwargs: Any, result: Any) -> None:
        source = self.source()
        if isinstance(function, torch._ops.HigherOrderOperator):
            self.operations.append(Operation("higher_order", function.name(), "", {}, (), source))
            return
        if function._opname in _VALUE_OF and not self.inside:
            self.syncs["hidden", source] += 1
        operation = operation_of(function, args, kwargs, result, source)
        self.operations.append(replace(operation, tags=operation.tags | {WATCHED}))


class _Functions(TorchFunctionMode):
    """Sees the calls by which Python reads values."""

    def __init__(self, recorder: _Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kind = _SYNCS.get(func) if not self.recorder.inside else None
        if kind is None:
            return func(*args, **(kwargs or {}))
        self.recorder.syncs[kind, self.recorder.source()] += 1
        self.recorder.inside += 1
        try:
            return func(*args, **(kwargs or {}))
        finally:
            self.recorder.inside -= 1


class _Calls(TorchDispatchMode):
    """Sees each operation with its tensors."""

    supports_higher_order_operators = True

    def __init__(self, recorder: _Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        self.recorder.add(func, args, kwargs, result)
        return result


# -- facts ---------------------------------------------------------------------------------------


def operation_of(
    target: torch._ops.OpOverload,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    result: Any,
    source: SourceLine | None,
) -> Operation:
    """The record of one call of an operator with real or fake tensors."""
    names = [argument.name for argument in target._schema.arguments]
    given = {**dict(zip(names, args, strict=False)), **kwargs}
    return Operation(
        target.namespace,
        target._opname,
        target._overloadname,
        {name: _facts(value) for name, value in given.items()},
        tuple(fact_of(t) for t in pytree.tree_leaves(result) if isinstance(t, torch.Tensor)),
        source,
        frozenset(tag.name for tag in target.tags),
    )


def _facts(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return fact_of(value)
    if isinstance(value, list | tuple):
        return tuple(_facts(v) for v in value)
    return value


def fact_of(tensor: torch.Tensor) -> TensorFact:
    """Shape and format of a tensor; sizes that depend on data become None."""
    shape = tuple(int(n) if isinstance(n, int) else None for n in tensor.shape)
    dtype = str(tensor.dtype).removeprefix("torch.")
    layout = str(tensor.layout).removeprefix("torch.").removeprefix("_")
    return TensorFact(shape, dtype, layout, _largest(tensor))


def _largest(tensor: torch.Tensor) -> int | None:
    """The greatest magnitude among the values of a plain tensor of 64-bit integers."""
    wide = tensor.dtype in (torch.int64, torch.uint64)
    if not wide or type(tensor) not in (torch.Tensor, torch.nn.Parameter):
        return None
    if tensor.device.type != "cpu" or not 0 < tensor.numel() <= _LARGEST_SCANNED:
        return None
    array = tensor.detach().numpy()
    low, high = int(array.min()), int(array.max())
    if low <= -_NO_NUMBER or high >= _NO_NUMBER:
        meant = array[(array > -_NO_NUMBER) & (array < _NO_NUMBER)]
        low, high = (int(meant.min()), int(meant.max())) if meant.size else (0, 0)
    return max(abs(high), abs(low))


def _source(boundary: Any) -> SourceLine | None:
    """The user's line under way; frames outside `boundary`, which called the module, are not."""
    frames: list[SourceLine] = []
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code is not boundary:
        frames.append(SourceLine(frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    found = innermost(frames[::-1])
    if found is None:
        return None
    return SourceLine(found.file, found.line, linecache.getline(found.file, found.line).strip())


def _first_difference(
    first: Sequence[Operation], second: Sequence[Operation]
) -> tuple[SourceLine | None, ...]:
    for one, other in zip(first, second, strict=False):
        if _shape_of(one) != _shape_of(other):
            return (one.source or other.source,)
    if len(first) != len(second):
        longer = max(first, second, key=len)
        return (longer[min(len(first), len(second))].source,)
    return ()


def _shape_of(operation: Operation) -> tuple[Any, ...]:
    facts = tuple((t.shape, t.dtype) for t in (*operation.inputs, *operation.outputs))
    return operation.name, operation.overload, facts


# -- random numbers of the host ------------------------------------------------------------------


def _host_states() -> tuple[Any, Any]:
    kind, keys, position, *rest = np.random.get_state()
    return random.getstate(), (kind, np.asarray(keys).tobytes(), position, *rest)


def _lines_that_draw(
    module: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[SourceLine | None, ...]:
    """The lines at which the generators of Python or NumPy are called."""
    found: dict[SourceLine | None, None] = {}

    def look(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and frame.f_code.co_filename == random.__file__:
            found[_calling(frame.f_back)] = None
        elif event == "c_call" and _is_generator(getattr(argument, "__self__", None)):
            found[_calling(frame)] = None

    with torch.no_grad(), _profiled(look):
        module(*args, **dict(kwargs))
    lines = tuple(line for line in found if line is not None)
    return lines or (None,)


def _is_generator(owner: Any) -> bool:
    return isinstance(owner, random.Random | np.random.RandomState)


def _calling(frame: FrameType | None) -> SourceLine | None:
    frames: list[SourceLine] = []
    while frame is not None:
        frames.append(SourceLine(frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    found = innermost([f for f in frames[::-1] if f.file != random.__file__])
    if found is None:
        return None
    return SourceLine(found.file, found.line, linecache.getline(found.file, found.line).strip())


@contextmanager
def _profiled(look: Callable[[FrameType, str, Any], None]) -> Any:
    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(before)
