"""What all batches have in common and what varies: inputs, distinct graphs, varying dims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from glia.core.shape_records import DistinctGraph, InputShapes, Sizes, VaryingDim


@dataclass(frozen=True, slots=True)
class Leaf:
    """A tensor, or a plain value, among the model's inputs. A value has no shape."""

    name: str
    kind: str
    shape: tuple[int, ...] | None

    def __str__(self) -> str:
        if self.shape is None:
            return f"{self.name}={self.kind}"
        return f"{self.name}: {self.kind}[{', '.join(map(str, self.shape))}]"


Signature = tuple[Leaf, ...]


@dataclass(slots=True)
class Census:
    """Signatures in the order in which they first came, with how often and where first."""

    counts: Counter[Signature] = field(default_factory=Counter)
    first: dict[Signature, int] = field(default_factory=dict)
    last: Signature | None = None

    def add(self, signature: Signature) -> None:
        """Count one more batch."""
        self.first.setdefault(signature, self.counts.total())
        self.counts[signature] += 1
        self.last = signature

    @property
    def num_batches(self) -> int:
        """How many were counted."""
        return self.counts.total()

    @property
    def graphs(self) -> tuple[DistinctGraph, ...]:
        """The distinct graphs, the most frequent first."""
        order = sorted(self.counts, key=lambda s: (-self.counts[s], self.first[s]))
        return tuple(
            DistinctGraph(tuple(map(str, s)), self.counts[s], self.first[s]) for s in order
        )

    @property
    def inputs(self) -> tuple[InputShapes, ...]:
        """Each tensor over all batches."""
        shapes: dict[str, Counter[Sizes]] = {}
        dtypes: dict[str, dict[str, None]] = {}
        for signature, count in self.counts.items():
            for leaf in _tensors(signature):
                assert leaf.shape is not None
                shapes.setdefault(leaf.name, Counter())[leaf.shape] += count
                dtypes.setdefault(leaf.name, {})[leaf.kind] = None
        return tuple(
            InputShapes(name, tuple(dtypes[name]), tuple(sorted(shapes[name].items())))
            for name in shapes
        )

    def values(self) -> dict[str, set[str]]:
        """The plain values by name, of those that differ between batches."""
        seen: dict[str, set[str]] = {}
        for signature in self.counts:
            for leaf in signature:
                if leaf.shape is None:
                    seen.setdefault(leaf.name, set()).add(leaf.kind)
        return {name: values for name, values in seen.items() if len(values) > 1}

    def structures(self) -> Counter[tuple[tuple[str, int], ...]]:
        """How often which tensors came, with how many dims."""
        found: Counter[tuple[tuple[str, int], ...]] = Counter()
        for signature, count in self.counts.items():
            found[_structure(signature)] += count
        return found

    def varying(self) -> Varying:
        """The dims that vary among batches of the most frequent structure."""
        (common, _), *_ = self.structures().most_common(1) or [((), 0)]
        chosen = [s for s in self.counts if _structure(s) == common]
        return Varying(chosen, [self.counts[s] for s in chosen])


def _structure(signature: Signature) -> tuple[tuple[str, int], ...]:
    return tuple((leaf.name, len(leaf.shape or ())) for leaf in _tensors(signature))


def _tensors(signature: Signature) -> list[Leaf]:
    return [leaf for leaf in signature if leaf.shape is not None]


class Varying:
    """Dims that vary, those that always agree taken together, over signatures of one structure."""

    def __init__(self, signatures: Sequence[Signature], counts: Sequence[int]) -> None:
        self._counts = counts
        groups: dict[tuple[int, ...], list[tuple[str, int]]] = {}
        tensors = [_tensors(s) for s in signatures]
        for i, leaf in enumerate(tensors[0] if tensors else ()):
            for dim in range(len(leaf.shape or ())):
                column = tuple((t[i].shape or ())[dim] for t in tensors)
                if len(set(column)) > 1:
                    groups.setdefault(column, []).append((leaf.name, dim))
        self._groups = groups

    @property
    def dims(self) -> tuple[VaryingDim, ...]:
        """Each group of dims with its sizes."""
        return tuple(
            VaryingDim(_title(places), tuple(map(_place, places)), _sizes(column, self._counts))
            for column, places in self._groups.items()
        )

    @property
    def grows(self) -> tuple[bool, ...]:
        """Whether a group is a length, which may be rounded up, and not the number of samples."""
        return tuple(any(dim for _, dim in places) for places in self._groups.values())

    def sizes(self) -> dict[Sizes, int]:
        """How many batches have which sizes of the groups."""
        found: dict[Sizes, int] = {}
        for row, count in zip(zip(*self._groups, strict=True), self._counts, strict=False):
            found[row] = found.get(row, 0) + count
        return found


def _sizes(column: Sequence[int], counts: Sequence[int]) -> tuple[tuple[int, int], ...]:
    found: Counter[int] = Counter()
    for size, count in zip(column, counts, strict=True):
        found[size] += count
    return tuple(sorted(found.items()))


def _place(place: tuple[str, int]) -> str:
    return f"{place[0]}[{place[1]}]"


def _title(places: Sequence[tuple[str, int]]) -> str:
    if all(dim == 0 for _, dim in places):
        return "batch"
    return _place(next(place for place in places if place[1]))
