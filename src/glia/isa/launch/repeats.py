"""One body for all iterations: what a device loop's iterations must have in common.

The chip holds one copy of the body, glia traces it once per iteration. Each call is compared with
that of the first iteration as it is made: the same operation on the same line, equal plain
arguments, and tensors that are the same memory or were made at the same place of the iteration.
Only what a register says may differ. An inner loop is one entry of the outer body, however often
it runs.
What the body allocates is the body's: after the loop only memory of before it is there.
Source: aws-neuron-sdk nki/deep-dives/nki-dynamic-loops.rst (state is carried through SBUF/HBM,
and results are allocated outside the loop).
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from glia.core.errors import KernelError
from glia.isa.rules import refusal
from glia.isa.tensors.tensor import NkiTensor, Storage

Where = tuple[str, int]
_REGISTER = "a register"  # what stands for the value of a register
_PLAIN = (int, str, bool, type(None))
_DO = (
    "the chip has one copy of the body: keep what changes in a register or in SBUF allocated "
    "before the loop, or unroll with nl.static_range"
)


@dataclass(slots=True)
class _Step:
    """A call of the first iteration: operation, place, its arguments, and what must be equal."""

    op: str
    at: Where
    values: Mapping[str, Any]
    marks: Mapping[str, Any]


@dataclass(slots=True)
class _Body:
    """The first iteration of a loop; `known` once it was seen to its end."""

    at: Where
    marks: tuple[Any, ...]
    steps: list[_Step | _Body] = field(default_factory=list)
    known: bool = False


@dataclass(slots=True, eq=False)
class Frame:
    """A device loop that is running; `bare` is a `while` of the kernel itself."""

    body: _Body
    bare: bool = False
    iteration: int = -1
    position: int = 0
    num_made: int = 0
    running: bool = True


class Repeats:
    """The running device loops of one launch, innermost last."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self._made: dict[int, tuple[tuple[tuple[Frame, int], ...], int]] = {}

    # -- loops ---------------------------------------------------------------------------------

    def enter(self, at: Where, bounds: tuple[Any, ...] = (), bare: bool = False) -> Frame:
        """A loop begins at the kernel's (file, line)."""
        marks = tuple(self._mark(b) for b in bounds)
        body = _Body(at, marks)
        if self.frames:
            outer = self.frames[-1]
            if outer.body.known:
                found = self._next(outer, "a loop", at)
                if not isinstance(found, _Body) or found.at != at:
                    raise self._other(outer, "a loop", at, found)
                if found.marks != marks:
                    raise self._changed(outer, "the bounds of a loop", str(marks), str(found.marks))
                body = found
            else:
                outer.body.steps.append(body)
        frame = Frame(body, bare)
        self.frames.append(frame)
        return frame

    def iterate(self, frame: Frame) -> None:
        """The next iteration of a loop begins."""
        self._finish(frame)
        frame.iteration += 1
        frame.position = frame.num_made = 0

    def leave(self, frame: Frame, broken: bool = False) -> None:
        """The loop ends; `broken` in the middle of its body."""
        if not broken:
            self._finish(frame)
        elif not frame.body.known:
            frame.body.steps.clear()
        self._close(frame)
        if frame in self.frames:
            self.frames.remove(frame)
        frame.running = False

    def tested(self, at: Where, nonzero: bool) -> None:
        """The kernel tested a register at (file, line): in the head of a `while` it loops."""
        if at[1] not in _while_lines(at[0]):
            return
        frame = None
        for one in reversed(self.frames):
            if not one.bare or one.body.at == at:
                frame = one if one.bare else None
                break
        frame = frame or self.enter(at, bare=True)
        if nonzero:
            self.iterate(frame)
        else:
            self.leave(frame)

    def _close(self, frame: Frame) -> None:
        """Forget the loops inside: a `while` that was left by a break."""
        while self.frames and frame in self.frames and self.frames[-1] is not frame:
            self.frames.pop().running = False

    def _finish(self, frame: Frame) -> None:
        self._close(frame)
        if frame.iteration < 0:
            return
        if frame.body.known and frame.position < len(frame.body.steps):
            missing = frame.body.steps[frame.position]
            raise self._changed(frame, "the end of the body", "no further call", _said(missing))
        frame.body.known = True

    # -- what the body does --------------------------------------------------------------------

    def made(self, storage: Storage) -> None:
        """Note a tensor made inside a loop: which one of which iteration."""
        if storage.data is None:
            inner = self.frames[-1]
            chain = tuple((f, f.iteration) for f in self.frames)
            self._made[storage.index] = chain, inner.num_made
            inner.num_made += 1

    def check_inside(self, op: str, views: Iterable[NkiTensor]) -> None:
        """An operation uses these views, in a loop or not.

        Raises:
            KernelError: for memory that was made inside a loop that has ended.
        """
        for view in views if self._made else ():
            chain, _ = self._made.get(view.storage.index, ((), 0))
            ended = next((frame for frame, _ in chain if not frame.running), None)
            if ended is not None:
                raise refusal(
                    f"{op} of {view!r}",
                    f"{'a tile' if view.on_chip else 'a tensor'} made inside {_loop(ended)}, used "
                    "after the loop",
                    "memory that outlives the loop",
                    "allocate it before the loop, and let the body write to it",
                )

    def call(self, op: str, at: Where, arguments: Mapping[str, Any]) -> None:
        """A call inside a loop.

        Raises:
            KernelError: when the first iteration did something else here.
        """
        frame = self.frames[-1]
        marks = {k: self._mark(v) for k, v in arguments.items() if k != "name"}
        if not frame.body.known:
            frame.body.steps.append(_Step(op, at, dict(arguments), marks))
            return
        first = self._next(frame, op, at)
        if not isinstance(first, _Step) or first.op != op or first.at != at:
            raise self._other(frame, op, at, first)
        if first.marks == marks:
            return
        for name in (*marks, *first.marks):
            if marks.get(name, ...) != first.marks.get(name, ...):
                raise self._changed(
                    frame,
                    f"{op} {name}",
                    _shown(arguments.get(name)),
                    _shown(first.values.get(name)),
                )

    def _next(self, frame: Frame, op: str, at: Where) -> _Step | _Body:
        if frame.position >= len(frame.body.steps):
            raise self._other(frame, op, at, None)
        frame.position += 1
        return frame.body.steps[frame.position - 1]

    def _mark(self, value: Any) -> Any:
        """What must be equal in all iterations."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind is float:
            return value if value == value else "nan"
        if isinstance(value, NkiTensor):
            return self._view(value)
        if getattr(value, "of_register", False):
            return _REGISTER
        if isinstance(value, (list, tuple)):
            return tuple(self._mark(v) for v in value)
        if isinstance(value, (np.generic, np.ndarray)):
            return (value.shape, str(value.dtype), value.tobytes())
        compares = callable(value) or kind.__eq__ is not object.__eq__
        return value if compares else kind

    def _view(self, view: NkiTensor) -> Any:
        moved = view.indirection
        return (
            self._memory(view),
            view.dtype.name,
            view.shape,
            view.steps,
            self._mark(view.start),
            self._mark(view.partition),
            moved and (type(moved), *(self._mark(getattr(moved, n)) for n in moved.__slots__)),
        )

    def _memory(self, view: NkiTensor) -> Any:
        storage = view.storage
        if storage.data is not None:  # a constant of the program
            return storage.shape, storage.dtype.name, storage.data.tobytes()
        found = self._made.get(storage.index)
        if found is None:
            return storage.index
        chain, ordinal = found
        for frame, iteration in chain:
            if frame.running and frame.iteration != iteration:
                raise refusal(
                    f"{view!r} in {_loop(frame)}",
                    f"a tile made in iteration {iteration}, used in iteration {frame.iteration}",
                    "memory that outlives an iteration",
                    "keep it in SBUF allocated before the loop",
                )
        return len(chain), ordinal

    # -- errors --------------------------------------------------------------------------------

    def _changed(self, frame: Frame, what: str, now: str, first: str) -> KernelError:
        return refusal(
            f"{what} in {_loop(frame)}",
            f"{now} in iteration {frame.iteration} after {first} in the first",
            "the same in every iteration",
            _DO,
        )

    def _other(self, frame: Frame, op: str, at: Where, first: _Step | _Body | None) -> KernelError:
        return self._changed(frame, "the body", f"{op} (line {at[1]})", _said(first))


def _loop(frame: Frame) -> str:
    file, line = frame.body.at
    return f"the device loop at {Path(file).name}:{line}"


def _said(step: _Step | _Body | None) -> str:
    if step is None:
        return "the end of the body"
    return f"{'a loop' if isinstance(step, _Body) else step.op} (line {step.at[1]})"


def _shown(value: Any) -> str:
    if not isinstance(value, NkiTensor):
        return f"{value!r}"
    return f"{value!r}, offset {value.offset}, strides {list(value.strides)}"


@lru_cache(maxsize=64)
def _while_lines(file: str) -> frozenset[int]:
    """The lines of a file that are in the condition of a `while`."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return frozenset()
    heads = [node.test for node in ast.walk(tree) if isinstance(node, ast.While)]
    return frozenset(
        n for head in heads for n in range(head.lineno, (head.end_lineno or head.lineno) + 1)
    )
