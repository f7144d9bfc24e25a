"""Builds a Stream while a kernel runs: the ambient object that `nki.isa.*` calls write into.

One context variable holds it and refuses nesting. Every instruction passes through `emit`, which
checks what holds for all of them: no read of memory that was never written, PSUM accumulation
only where a matmul started it.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import numpy as np

from glia.core.dtypes import DType
from glia.core.dtypes import dtype as find_dtype
from glia.core.errors import KernelError
from glia.isa.allocate import allocate
from glia.isa.engines import engine
from glia.isa.initialised import Shadow
from glia.isa.stream import Call, Instruction, Stream, Sync, Work
from glia.isa.target import PARTITIONS, Target
from glia.isa.tensor import NkiTensor, Storage

_CURRENT: ContextVar[StreamBuilder | None] = ContextVar("glia_stream", default=None)
_PACKAGE = str(Path(__file__).parents[1])
_INTERNAL = tuple(f"{_PACKAGE}/{room}/" for room in ("isa", "nki", "silicon"))
F = TypeVar("F", bound=Callable[..., Any])

FIRST_REGISTER_FILE = 1 << 30  # storage numbers of engine state, apart from those of tensors

INSTRUCTIONS: dict[str, Callable[..., Any]] = {}
"""Every public instruction by name; filled by the decorator that declares it."""


def current(what: str = "this call") -> StreamBuilder:
    """The builder of the kernel being traced.

    Raises:
        KernelError: outside a kernel.
    """
    builder = _CURRENT.get()
    if builder is None:
        raise KernelError(
            f"calling {what}: got a call outside a kernel, expected it inside a function under "
            "@nki.jit; run the kernel with nki.simulate(kernel)(...)"
        )
    return builder


@contextmanager
def tracing(builder: StreamBuilder) -> Iterator[StreamBuilder]:
    """Make `builder` the ambient one; refuses nesting."""
    if _CURRENT.get() is not None:
        raise KernelError(
            "tracing a kernel: got a jitted kernel called inside another, expected a plain "
            "function; leave helpers undecorated"
        )
    token = _CURRENT.set(builder)
    try:
        yield builder
    except KernelError as error:
        raise located(error, *_error_place(error)) from None
    finally:
        _CURRENT.reset(token)


class LocatedError(KernelError):
    """A KernelError whose text already starts with the kernel's file and line."""


def located(error: KernelError, file: str, line: int) -> KernelError:
    """The error with the kernel's file and line before it, once."""
    if isinstance(error, LocatedError):
        return error
    return LocatedError(f"{Path(file).name}:{line}: {error}")


def instruction(function: F) -> F:
    """Declare a public instruction: records the call, so that a stream can be saved and remade.

    The function also enters the table `INSTRUCTIONS` by its name; a second one of that name is
    refused.
    """
    signature = inspect.signature(function)
    name = function.__name__
    if name in INSTRUCTIONS:
        raise ValueError(f"declaring instruction {name}: the name is taken")
    names = tuple(signature.parameters)
    known = frozenset(names)
    required = frozenset(n for n, p in signature.parameters.items() if p.default is p.empty)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        builder = current(f"nki.isa.{name}")
        # What Signature.bind does, without its cost: 10^5 instructions are common.
        arguments = dict(zip(names, args, strict=False))
        arguments.update(kwargs)
        fits = len(arguments) == len(args) + len(kwargs) and known >= arguments.keys() >= required
        at = _kernel_place(sys._getframe(1))
        if not fits:
            raise located(_misfit(name, signature, args, kwargs), *at)
        return builder.issue(name, function, arguments, at)

    INSTRUCTIONS[name] = call
    return call  # type: ignore[return-value]


def _frozen(value: Any) -> Any:
    """Lists as tuples: the kernel may go on changing its own."""
    return tuple(_frozen(v) for v in value) if isinstance(value, (list, tuple)) else value


def _misfit(name: str, signature: inspect.Signature, args: Any, kwargs: Any) -> KernelError:
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        return KernelError(f"nki.isa.{name}: {error}; expected {name}{signature}")
    raise AssertionError(f"nki.isa.{name}: arguments that bind were refused")


@dataclass(frozen=True, slots=True)
class Place:
    """Which of several programs this one is: `core` of `num_cores`, `rank` of `num_ranks`."""

    core: int = 0
    num_cores: int = 1
    rank: int = 0
    num_ranks: int = 1


class StreamBuilder:
    """Collects storages, calls and instructions of one launch; `finish` allocates and freezes.

    `peek`, when set, returns a copy of what a view holds after everything issued so far; it is
    absent when a kernel is traced for its shapes only.
    """

    def __init__(self, name: str, target: Target, place: Place = Place()) -> None:
        self.name = name
        self.target = target
        self.place = place
        self.peek: Callable[[NkiTensor], np.ndarray] | None = None
        self.storages: list[Storage] = []
        self.calls: list[Call] = []
        self.instructions: list[Instruction] = []
        self._shadows: dict[int, Shadow] = {}
        self._registers: dict[str, Storage] = {}
        self._outputs: list[Storage] = []
        self._at = ("", 0)

    # -- memory --------------------------------------------------------------------------------

    def storage(
        self,
        shape: Sequence[int],
        dtype: DType,
        memory: str,
        name: str = "",
        role: str = "scratch",
        pinned: tuple[int, int] | None = None,
        strides: tuple[int, ...] | None = None,
        data: np.ndarray | None = None,
    ) -> NkiTensor:
        """Declare memory and return it whole. Shape in elements; dim 0 = partitions on chip."""
        sizes = tuple(int(n) for n in shape)
        self._check_shape(sizes, memory, name)
        index = len(self.storages)
        label = name or f"{memory}{index}"
        made = Storage(index, label, memory, sizes, dtype, role, pinned, strides, data)
        self._check_fits(made)
        self.storages.append(made)
        self._shadows[index] = Shadow(made)
        return made.view()

    def register_file(self, name: str, words: int = 1, kind: str = "float32") -> NkiTensor:
        """State that an engine keeps from one instruction to the next: [128, words] of `kind`.

        Accumulators and random generators are such state. The first call of a name makes it, never
        written; it has no address in SBUF or PSUM, and instructions read and write it as any
        operand, so that order and initialisation are checked as for memory.
        """
        made = self._registers.get(name)
        if made is None:
            index = FIRST_REGISTER_FILE + len(self._registers)
            shape = (PARTITIONS, words)
            made = Storage(index, name, "register", shape, find_dtype(kind), address=0)
            self._registers[name] = made
            self._shadows[index] = Shadow(made)
        return made.view()

    def value_of(self, view: NkiTensor, what: str) -> np.ndarray:
        """A copy of what `view` holds now, for whatever in a kernel depends on data.

        Raises:
            KernelError: when the kernel is traced for shapes only.
        """
        if self.peek is None:
            raise self.error(
                f"{what} of {view!r}",
                "a kernel traced without data",
                "arrays as arguments",
                "run it with nki.simulate(kernel)(arrays...)",
            )
        return self.peek(view)

    def _check_shape(self, sizes: tuple[int, ...], memory: str, name: str) -> None:
        if any(n <= 0 for n in sizes):
            raise self.error(f"allocating {name or memory}", f"shape {sizes}", "sizes above 0")
        if memory == "hbm":
            return
        if len(sizes) < 2 or sizes[0] > PARTITIONS:
            raise self.error(
                f"allocating {name or memory} in {memory}",
                f"shape {sizes}",
                f"[partitions <= {PARTITIONS}, free...]",
                "dim 0 is the partition dim; tile it by nl.tile_size.pmax",
            )

    def _check_fits(self, made: Storage) -> None:
        if not made.on_chip:
            return
        limit = self.target.sbuf_bytes if made.memory == "sbuf" else self.target.psum_bytes
        if made.partition_bytes > limit:
            raise self.error(
                f"allocating {made.name} in {made.memory}",
                f"{made.partition_bytes} bytes per partition",
                f"at most {limit} on {self.target.chip}",
                "split its free dims",
            )

    def shadow(self, view: NkiTensor) -> Shadow:
        """The written-flags of the view's storage."""
        return self._shadows[view.storage.index]

    def mark_output(self, tensor: NkiTensor) -> None:
        """Declare that the kernel returns this tensor."""
        storage = tensor.storage
        if storage.on_chip:
            raise self.error(
                "returning from the kernel",
                f"{tensor!r}",
                "a tensor in nl.shared_hbm",
                "store it to HBM with dma_copy",
            )
        if not self._shadows[storage.index].is_written(storage.view()):
            raise self.error(
                f"returning {tensor!r}",
                "elements never written",
                "every element stored",
                "check the ragged edges of the loops that store it",
            )
        storage.role = "output" if storage.role == "scratch" else storage.role
        self._outputs.append(storage)

    # -- instructions --------------------------------------------------------------------------

    def issue(
        self, op: str, function: Callable[..., Any], arguments: dict[str, Any], at: tuple[str, int]
    ) -> Any:
        """Record a public call made at the kernel's (file, line), and carry it out.

        Raises:
            KernelError: for whatever the instruction refuses, with the kernel's file and line.
        """
        self._at = at
        kept = {k: _frozen(v) if type(v) is list else v for k, v in arguments.items()}
        self.calls.append(Call(op, kept, *at))
        try:
            return function(**arguments)
        except KernelError as error:
            raise located(error, *at) from None

    def error(self, what: str, got: str, expected: str, do: str = "") -> KernelError:
        """A KernelError in the house form."""
        tail = f"; {do}" if do else ""
        return KernelError(f"{what}: got {got}, expected {expected}{tail}")

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
    ) -> Instruction:
        """Append an instruction after the checks that hold for all of them."""
        for view in reads:
            if not self._shadows[view.storage.index].is_written(view):
                raise self._unwritten(op, view)
        for view in writes:
            self._write(view, accumulates, op)
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
        )
        self.instructions.append(made)
        return made

    def _unwritten(self, op: str, view: NkiTensor) -> KernelError:
        return self.error(
            f"{op} reading {view!r}",
            "memory never written",
            "initialised memory",
            "write it first (memset, dma_copy or a result)",
        )

    def _write(self, view: NkiTensor, accumulates: bool, op: str) -> None:
        if view.storage.role in ("input", "constant"):
            raise self.error(
                f"{op} writing {view!r}",
                "a kernel input",
                "a tensor of the kernel",
                "allocate the result with nl.ndarray(..., buffer=nl.shared_hbm)",
            )
        if 0 in view.strides and any(
            s == 0 and n > 1 for s, n in zip(view.strides, view.shape, strict=True)
        ):
            raise self.error(
                f"{op} writing {view!r}",
                "a broadcast view",
                "each element once",
                "write the tile itself",
            )
        shadow = self._shadows[view.storage.index]
        shadow.mark(view)
        if view.storage.memory == "psum":
            shadow.mark_started(view, accumulates)

    def finish(self, inputs: Sequence[NkiTensor]) -> Stream:
        """Allocate addresses and freeze."""
        peaks = allocate(self.storages, self.instructions, self.target)
        return Stream(
            self.name,
            self.target.generation,
            tuple(self.storages),
            tuple(t.storage for t in inputs),
            tuple(self._outputs),
            tuple(self.calls),
            tuple(self.instructions),
            *peaks,
        )


def _kernel_place(frame: FrameType) -> tuple[str, int]:
    """File and line of the innermost frame that is not glia's own instruction code."""
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_INTERNAL):
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno)


def _error_place(error: KernelError) -> tuple[str, int]:
    """The kernel's file and line where an error left it (views raise outside instructions)."""
    found, trace = ("kernel", 0), error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith(_INTERNAL):
            found = (file, trace.tb_lineno)
        trace = trace.tb_next
    return found
