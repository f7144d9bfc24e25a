"""What a model does, as plain records: its operations, and the times the host waits for a value.

Made by running the model or by reading its exported graph; no rule about a chip stands here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from glia.core.records import SourceLine

# How the host came to know a value: a decision, a number, all numbers, text, a copy to the host,
# or inside an operation of the library.
SyncKind = Literal["bool", "number", "list", "numpy", "text", "copy", "hidden"]
# The tag of an operation that was seen in a call, where every size is a number.
WATCHED = "watched"


@dataclass(frozen=True, slots=True)
class TensorFact:
    """A tensor's shape and format. A size that depends on data is None.

    `largest` is the greatest magnitude among integers of 64 bits, where values were seen.
    """

    shape: tuple[int | None, ...]
    dtype: str
    layout: str = "strided"
    largest: int | None = None

    def __str__(self) -> str:
        sizes = ", ".join("?" if n is None else str(n) for n in self.shape)
        return f"{self.dtype}[{sizes}]"


@dataclass(frozen=True, slots=True)
class Operation:
    """One call: `namespace.name.overload`, its arguments by name, and the line that made it.

    In `arguments` tensors are TensorFacts, alone or in lists.
    """

    namespace: str
    name: str
    overload: str
    arguments: Mapping[str, Any]
    outputs: tuple[TensorFact, ...]
    source: SourceLine | None = None
    tags: frozenset[str] = frozenset()

    @property
    def inputs(self) -> tuple[TensorFact, ...]:
        """The tensors among the arguments, in order."""
        return tuple(_tensors(self.arguments.values()))

    @property
    def first(self) -> TensorFact | None:
        """The first tensor among the arguments."""
        return next(_tensors(self.arguments.values()), None)

    def __str__(self) -> str:
        return f"{self.namespace}.{self.name}"


def _tensors(values: Any) -> Iterator[TensorFact]:
    for value in values:
        if isinstance(value, TensorFact):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


@dataclass(frozen=True, slots=True)
class Sync:
    """A place where the host waits for a value of the device, and how often in one call."""

    kind: SyncKind
    source: SourceLine | None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Break:
    """A place at which a capture stopped or was cut, and why, in the words of PyTorch."""

    reason: str
    source: SourceLine | None


@dataclass(frozen=True, slots=True)
class Observation:
    """What one call of a model did on the CPU.

    `host_random` are the lines at which Python or NumPy drew a random number; `changed` is the
    line of the first operation in which a second call on the same inputs differed from the first.
    `is_watched` is false where the model could not be watched: then the rest says nothing.
    """

    operations: tuple[Operation, ...]
    syncs: tuple[Sync, ...]
    host_random: tuple[SourceLine | None, ...] = ()
    changed: tuple[SourceLine | None, ...] = ()
    values_differ: bool = False
    random_operations: tuple[str, ...] = field(default=())
    is_watched: bool = True
