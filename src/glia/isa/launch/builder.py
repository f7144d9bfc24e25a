"""Builds a Stream while a kernel runs: the ambient object that `nki.isa.*` calls write into.

One context variable holds it and refuses nesting. Every instruction passes through `emit`, which
checks what holds for all of them: no read of memory that was never written, PSUM accumulation
only where a matmul started it, no operand that overlaps the result.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import zip_longest
from typing import Any, TypeVar

import numpy as np

from glia.core.errors import GliaError, KernelError
from glia.isa.engines import engine
from glia.isa.launch.allocate import allocate
from glia.isa.launch.arguments import check_plain
from glia.isa.launch.context import CURRENT, current
from glia.isa.launch.eviction import MOVED, Edges, evicted_early
from glia.isa.launch.limits import Budget
from glia.isa.launch.located import error_place, kernel_error, kernel_place, located
from glia.isa.launch.memory import FIRST_REGISTER_FILE, LaunchMemory
from glia.isa.launch.misfit import misfit
from glia.isa.launch.overlap import pattern_of, patterns_overlap
from glia.isa.launch.pinned import shares_bytes
from glia.isa.launch.schedule import Schedule
from glia.isa.sequencers.registers import VirtualRegister
from glia.isa.stream import ALONE, Call, Carries, Instruction, Place, Stream, Sync, Work
from glia.isa.target import Target
from glia.isa.tensors.addressing import address_tiles
from glia.isa.tensors.indirection import check_columns
from glia.isa.tensors.tensor import NkiTensor, Storage
from glia.isa.undefined import arriving, computed_with
from glia.isa.unspecified import warn_at

__all__ = [
    "COLLECTIVES",
    "FIRST_REGISTER_FILE",
    "INSTRUCTIONS",
    "Place",
    "StreamBuilder",
    "collective",
    "current",
    "instruction",
    "located",
    "tracing",
]

F = TypeVar("F", bound=Callable[..., Any])

INSTRUCTIONS: dict[str, Callable[..., Any]] = {}
"""Every public instruction of `nki.isa` by name; filled by the decorator that declares it."""

COLLECTIVES: dict[str, Callable[..., Any]] = {}
"""Those of `nki.collectives`."""


@contextmanager
def tracing(builder: StreamBuilder) -> Iterator[StreamBuilder]:
    """Make `builder` the ambient one; refuses nesting. Errors leave it with the kernel's line.

    An ordinary Python error of the kernel becomes a KernelError with that error as its cause.
    """
    if CURRENT.get() is not None:
        raise KernelError(
            "tracing a kernel: got another kernel being traced, expected none; call the function "
            "itself, not a launch of it"
        )
    token = CURRENT.set(builder)
    try:
        yield builder
    except KernelError as error:
        raise located(error, *error_place(error)) from error.__cause__
    except GliaError:
        raise
    except Exception as error:
        raise kernel_error(error) from error
    finally:
        CURRENT.reset(token)


def instruction(function: F) -> F:
    """Declare a public instruction: records the call, so that a stream can be saved and remade.

    The function also enters the table `INSTRUCTIONS` by its name; a second one of that name is
    refused.
    """
    return _declared(function, INSTRUCTIONS, "nki.isa")


def collective(function: F) -> F:
    """Declare a public collective, as `instruction` does."""
    return _declared(function, COLLECTIVES, "nki.collectives")


def _declared(function: F, table: dict[str, Callable[..., Any]], module: str) -> F:
    signature = inspect.signature(function)
    name = function.__name__
    if name in INSTRUCTIONS or name in COLLECTIVES:
        raise ValueError(f"declaring instruction {name}: the name is taken")
    names = tuple(signature.parameters)
    known = frozenset(names)
    required = frozenset(n for n, p in signature.parameters.items() if p.default is p.empty)
    full_name = f"{module}.{name}"
    seen: set[tuple[int, tuple[str, ...]]] = set()  # ways to call it that fit, of those tried

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        builder = current(full_name)
        # What Signature.bind does, without its cost: 10^5 instructions are common.
        way, arguments = (len(args), tuple(kwargs)), kwargs
        if args:
            arguments = dict(zip(names, args, strict=False))
            arguments.update(kwargs)
        fits = way in seen
        if not fits:
            once = len(arguments) == len(args) + len(kwargs)
            fits = once and known >= arguments.keys() >= required
            if fits:
                seen.add(way)
        at = kernel_place(sys._getframe(1))
        if not fits and _only_dst_dtype(arguments, known, required):
            del arguments["dtype"]
        elif not fits:
            wrong = misfit(name, signature, args, kwargs)
            raise located(KernelError(f"{full_name}: {wrong}"), *at)
        return builder.issue(name, function, arguments, at)

    table[name] = call
    return call  # type: ignore[return-value]


def _frozen(value: Any) -> Any:
    """Lists as tuples and registers as their numbers: the kernel may go on changing its own."""
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(v) for v in value)
    return value.number() if isinstance(value, VirtualRegister) else value


def _renumbered(count: int, gone: Set[int]) -> dict[int, int]:
    """The new number of each that stays, by its old one."""
    return {old: new for new, old in enumerate(i for i in range(count) if i not in gone)}


def _only_dst_dtype(arguments: dict[str, Any], known: Set[str], required: Set[str]) -> bool:
    """True when all that is too much is `dtype`, and it is dst's own.

    Kernels of NKI 0.2 (aws-neuron/nki-samples) name the result's dtype beside its tile.
    """
    dst, extra = arguments.get("dst"), arguments.keys() - known
    fits = extra == {"dtype"} and required <= arguments.keys()
    return fits and isinstance(dst, NkiTensor) and arguments["dtype"] == dst.dtype


class StreamBuilder(LaunchMemory):
    """Collects storages, calls and instructions of one launch; `finish` allocates and freezes."""

    def __init__(self, name: str, target: Target, place: Place = ALONE) -> None:
        super().__init__(target, place)
        self.name = name
        self.calls: list[Call] = []
        self._call = -1  # the one that is being carried out
        self.instructions: list[Instruction] = []
        self.works: dict[tuple[object, ...], Work] = {}  # made once for instructions that are alike
        self.schedule = Schedule()
        self.budget = Budget()

    def issue(
        self, op: str, function: Callable[..., Any], arguments: dict[str, Any], at: tuple[str, int]
    ) -> Any:
        """Record a public call made at the kernel's (file, line), and carry it out.

        Raises:
            KernelError: for whatever the instruction refuses, with the kernel's file and line.
        """
        if self.deferred:
            arguments = self.deferred.arguments(op, arguments)
        at = self.deferred.at or at
        self._at = at
        first, outer = len(self.instructions), self._call
        try:
            check_plain(op, arguments)
            kept = {
                k: _frozen(v) if type(v) in (list, VirtualRegister) else v
                for k, v in arguments.items()
            }
            self._call = len(self.calls)
            self.calls.append(Call(op, kept, *at))
            if self.repeats.frames:
                self.repeats.call(op, at, arguments)
            made = function(**arguments)
        except KernelError as error:
            raise located(error, *at) from None
        finally:
            self._call = outer
        name = arguments.get("name")
        if name:
            self.schedule.named(name, range(first, len(self.instructions)))
        return made

    def emit(
        self,
        op: str,
        on: engine,
        writes: Sequence[NkiTensor],
        reads: Sequence[NkiTensor],
        work: Work,
        meaning: Callable[..., None],
        accumulates: bool = False,
        sync: Sync | None = None,
        overlap_ok: bool = False,
        carries: Carries | None = None,
    ) -> Instruction:
        """Append an instruction after the checks that hold for all of them.

        The tiles that hold run-time addresses are read too: they join `reads` at the end, and
        `meaning` is not given them. `overlap_ok` is for instructions that read all of a partition
        before they write to it. `carries` is for those that undefined elements pass through: what
        comes of them is undefined, and what is left of the result is not.
        """
        for view in (*writes, *reads):
            if view.outside:
                view.check_bounds()
        tiles = address_tiles((*writes, *reads))
        if tiles:
            check_columns(op, on, self.target, writes, reads)
            reads = (*reads, *tiles)
        self.repeats.check_inside(op, (*writes, *reads))
        arrived = self._check_written(op, writes, reads, carries)
        for view in writes:
            self._write(view, accumulates, op, may_discard=len(writes) > 1)
            if not overlap_ok:
                self._check_apart(view, reads, op)
        if tiles:
            touched = (view.storage.index for view in (*writes, *reads))
            self.uncertain.update(i for i in touched if self._shadows[i].uncertain)
        if arrived is not None:
            self._shadows[writes[0].storage.index].unmark(writes[0], ~arrived)
        made = Instruction(
            len(self.instructions),
            op,
            on,
            tuple(writes),
            tuple(reads),
            work,
            meaning,
            self._at[1],
            self._at[0],
            sync,
            self._call,
            carries,
        )
        self.instructions.append(made)
        self.budget.spend()
        if self.schedule.loops:
            self.schedule.inside(made.index)
        return made

    def _check_written(
        self,
        op: str,
        writes: Sequence[NkiTensor],
        reads: Sequence[NkiTensor],
        carries: Carries | None,
    ) -> np.ndarray | None:
        """Refuse what was never written, but what is carried, and may be; warn where it computes.

        Returns:
            Which elements of the first result are defined; None: all.
        """
        carried = () if carries is None else reads[: carries.num_reads]
        flags = [self._shadows[v.storage.index].partly_written(v) for v in carried]
        arrived = arriving(carries, writes, flags)
        for view, partly in zip_longest(reads, flags):
            if partly is None or arrived is None:
                if not self._shadows[view.storage.index].is_written(view):
                    raise self._unwritten(op, view)
            elif carries is not None and carries.computes:
                warn_at(computed_with(op, view), *self._at)
        return arrived

    def depend(self, consumer: Instruction, producers: Sequence[Instruction]) -> None:
        """Add scheduling dependences: `consumer` runs after each producer."""
        for one in (consumer, *producers):
            known = isinstance(one, Instruction) and one.index < len(self.instructions)
            if not known or self.instructions[one.index] is not one:
                raise self.error(
                    "depends_on", f"{type(one).__name__}", "instructions of the kernel being traced"
                )
        for producer in producers:
            self.schedule.edge(consumer, producer)

    def no_reorder(self) -> AbstractContextManager[None]:
        """The block of `nl.no_reorder()`: program order, as everywhere; no device loops inside."""
        return self.schedule.no_reorder()

    def _unwritten(self, op: str, view: NkiTensor) -> KernelError:
        other = self._written_under(view.storage)
        if other is not None:  # the bytes were written, but not as this tensor
            return self.error(
                f"{op} reading {view!r}",
                f"elements never written as {view.storage.label} itself; what was written is "
                f"{other.label}, which shares bytes with it",
                "values of its own",
                f"write it first, or read {other.label} (another dtype or shape: view, reshape)",
            )
        return self.error(
            f"{op} reading {view!r}",
            "memory never written",
            "initialised memory",
            "write it first (memset, dma_copy or a result)",
        )

    def is_stale(self, view: NkiTensor) -> bool:
        """True where a view was written in part, and another tensor was at the same bytes.

        So it is where tiles take turns at the kernel's own addresses: the rest holds old values.
        """
        partly = self._shadows[view.storage.index].partly_written(view)
        return partly is not None and self._written_under(view.storage) is not None

    def _written_under(self, storage: Storage) -> Storage | None:
        """A tensor that was written and shares bytes with this one, at addresses of the kernel."""
        for other in self.storages if storage.pinned is not None else ():
            same = other is not storage and other.memory == storage.memory
            placed = same and other.pinned is not None and shares_bytes(storage, other)
            if placed and self._shadows[other.index].is_touched:
                return other
        return None

    def _write(self, view: NkiTensor, accumulates: bool, op: str, may_discard: bool) -> None:
        if view.storage.role == "constant":
            raise self.error(
                f"{op} writing {view!r}",
                "a constant of the program",
                "a tensor of the kernel",
                "allocate the result with nl.ndarray(..., buffer=nl.shared_hbm)",
            )
        shadow = self._shadows[view.storage.index]
        if 0 not in view.steps or all(
            s != 0 or n == 1 for s, n in zip(view.steps, view.shape, strict=True)
        ):
            shadow.mark(view)
        elif may_discard:  # what another result is for: the elements overwrite one another
            shadow.forget(view)
        else:
            raise self.error(
                f"{op} writing {view!r}",
                "a broadcast view",
                "each element once",
                "write the tile itself",
            )
        if view.storage.memory == "psum":
            shadow.mark_started(view, accumulates)

    def _check_apart(self, written: NkiTensor, reads: Sequence[NkiTensor], op: str) -> None:
        """An operand is the result itself or apart from it: the order of bytes is not defined."""
        storage = written.storage
        if storage.memory == "register" or written.indirection is not None:
            return
        for view in reads:
            if view.storage is not storage or view is written or view.indirection is not None:
                continue
            mine, theirs = pattern_of(written), pattern_of(view)
            if mine != theirs and patterns_overlap(mine, theirs):
                raise self.error(
                    f"{op} reading {view!r} into {written!r}",
                    "two views that overlap without being equal",
                    "equal or disjoint views",
                    "write to another tile",
                )

    def _wanted(
        self, edges: tuple[tuple[int, int], ...]
    ) -> tuple[list[Call], list[Instruction], tuple[tuple[int, int], ...]]:
        """Calls, instructions and edges without the late copies that nobody read.

        A launch whose values were asked for has carried them out: it is left as it is.
        """
        kept = (self.calls, self.instructions, edges)
        if self.looked:
            return kept
        ordered = {index for edge in edges for index in edge}
        unread = self.deferred.unread(self.instructions)
        gone = {one.index: one.call for one in unread if one.index not in ordered}
        if not gone:
            return kept
        calls = _renumbered(len(self.calls), set(gone.values()))
        numbers = _renumbered(len(self.instructions), gone.keys())
        return (
            [self.calls[i] for i in calls],
            [
                replace(one, index=numbers[one.index], call=calls.get(one.call, -1))
                for one in self.instructions
                if one.index in numbers
            ],
            tuple((numbers[a], numbers[b]) for a, b in edges),
        )

    def _allocated(
        self, instructions: list[Instruction], edges: Edges
    ) -> tuple[list[Instruction], Edges, tuple[int, int]]:
        """Instructions and edges in an order that fits, which is the kernel's own where that does.

        A launch whose values were asked for has carried out that order, and so keeps it.
        """
        try:
            return instructions, edges, allocate(self.storages, instructions, self.target)
        except KernelError as error:
            if self.looked or self.schedule.is_fixed:
                raise
            other, others = evicted_early(instructions, edges)
            try:
                peaks = allocate(self.storages, other, self.target)
            except KernelError:
                raise error from None
        pairs = zip(other, instructions, strict=True)
        first = next(one for one, was in pairs if one.meaning is not was.meaning)
        warn_at(MOVED, first.file, first.line)
        return other, others, peaks

    def finish(self, inputs: Sequence[NkiTensor]) -> Stream:
        """Allocate addresses and freeze."""
        calls, instructions, extra = self._wanted(self.schedule.edges(self.instructions))
        instructions, extra, (sbuf, psum) = self._allocated(instructions, extra)
        return Stream(
            name=self.name,
            generation=self.target.generation,
            storages=tuple(self.storages),
            inputs=tuple(t.storage for t in inputs),
            outputs=tuple(self._outputs),
            calls=tuple(calls),
            instructions=tuple(instructions),
            sbuf_peak_bytes=sbuf,
            psum_peak_banks=psum,
            place=self.place,
            shared=tuple(self.shared),
            extra=extra,
            data_dependent=self.data_dependent,
            older="" if self.target.mx_scale_margin else "NKI before 0.5",
            uncertain=frozenset(self.uncertain),
        )
