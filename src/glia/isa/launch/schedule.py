"""What a kernel says about order beyond its data: depends_on, with_schedule, no_reorder, loops.

Glia keeps program order on every engine but where PSUM would not hold (`eviction.py`), which
`no_reorder` forbids; a dependence between engines is an edge that the timeline waits for.
Source: aws-neuron-sdk nki/guides/how-to-scheduling-apis.rst, nki/api/nki/isa/__init__.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from glia.core.errors import KernelError, UsageError, choose
from glia.isa.rules import refusal
from glia.isa.stream import Instruction

Pairs = tuple[tuple[str, tuple[str, ...]], ...]


class Schedule:
    """Order edges and the nesting of device loops of one launch."""

    def __init__(self) -> None:
        self.pairs: Pairs = ()
        self.loops: list[int] = []
        self._num_loops = 0
        self._nesting: dict[int, tuple[int, ...]] = {}
        self._names: dict[str, list[int]] = {}
        self._edges: list[tuple[int, int]] = []
        self._fixed = 0
        self.is_fixed = False  # somewhere

    @contextmanager
    def loop(self) -> Iterator[None]:
        """The body of a device loop, all iterations of it.

        Raises:
            KernelError: inside `nl.no_reorder()`.
        """
        if self._fixed:
            raise refusal(
                "a dynamic loop",
                "one inside nl.no_reorder()",
                "static loops there",
                "put no_reorder inside the loop's body",
            )
        self._num_loops += 1
        self.loops.append(self._num_loops)
        try:
            yield
        finally:
            self.loops.pop()

    @contextmanager
    def no_reorder(self) -> Iterator[None]:
        """Instructions in program order, as all are here."""
        self._fixed += 1
        self.is_fixed = True
        try:
            yield
        finally:
            self._fixed -= 1

    def inside(self, index: int) -> None:
        """Note the loops around an instruction."""
        self._nesting[index] = tuple(self.loops)

    def named(self, name: str, instructions: Sequence[int]) -> None:
        """Note the instructions that a call with `name=` made."""
        self._names.setdefault(name, []).extend(instructions)

    def edge(self, consumer: Instruction, producer: Instruction) -> None:
        """`consumer` waits for `producer`.

        Raises:
            KernelError: when that can never be, or crosses the border of a device loop.
        """
        if producer.index >= consumer.index:
            raise refusal(
                f"{consumer.op} (line {consumer.line}) after {producer.op} (line {producer.line})",
                "a producer that is issued later",
                "one issued before its consumer",
                "glia keeps program order: issue the producer first",
            )
        around = self._nesting.get(producer.index, ())
        if self._nesting.get(consumer.index, ())[: len(around)] != around:
            raise refusal(
                f"{consumer.op} (line {consumer.line}) after {producer.op} (line {producer.line})",
                "an edge out of a dynamic loop",
                "both in the same loop, or the producer in an enclosing scope",
            )
        self._edges.append((consumer.index, producer.index))

    def edges(self, made: Sequence[Instruction]) -> tuple[tuple[int, int], ...]:
        """All (consumer, producer) pairs, those of `with_schedule` by name included."""
        for consumer, producers in self.pairs:
            for producer in producers:
                self.edge(made[self._last(consumer)], made[self._last(producer)])
        return tuple(sorted(set(self._edges)))

    def _last(self, name: str) -> int:
        try:
            found = self._names[choose("with_schedule", name, self._names)]
        except UsageError as error:
            raise KernelError(f"{error}; name instructions with name=") from None
        return found[-1]


def pairs_of(schedule: Sequence[tuple[str, str | Sequence[str]]]) -> Pairs:
    """The argument of `with_schedule`, checked: (consumer, producer or list of producers).

    Raises:
        KernelError: for anything else.
    """
    found = []
    for pair in schedule:
        fits = isinstance(pair, (tuple, list)) and len(pair) == 2 and isinstance(pair[0], str)
        names = (pair[1],) if fits and isinstance(pair[1], str) else pair[1] if fits else ()
        if not names or not all(isinstance(n, str) for n in names):
            raise refusal(
                "with_schedule",
                f"{pair!r}",
                '("consumer", "producer") or ("consumer", ["producer", ...]) of instruction names',
            )
        found.append((pair[0], tuple(names)))
    return tuple(found)
