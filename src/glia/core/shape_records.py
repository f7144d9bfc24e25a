"""Records of a census of shapes: what a loader yields, the graphs it makes, how to bucket them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from glia.core.figures import Estimate

Sizes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class InputShapes:
    """One input of the model over all batches: its formats, and how often each shape came."""

    name: str
    dtypes: tuple[str, ...]
    shapes: tuple[tuple[Sizes, int], ...]


@dataclass(frozen=True, slots=True)
class VaryingDim:
    """Dims that always have the same size as each other, and vary from batch to batch.

    `places` are `input[dim]`; `sizes` pairs a size with the number of batches, smallest first.
    """

    name: str
    places: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class DistinctGraph:
    """What a compiler of fixed shapes compiles once: a set of shapes, formats and numbers."""

    inputs: tuple[str, ...]
    num_batches: int
    first_batch: int


@dataclass(frozen=True, slots=True)
class BucketPlan:
    """`num_graphs` buckets that every batch is padded into, each as sizes of the varying dims.

    `waste` is the fraction of computed positions that are padding. `is_exact`: no other buckets
    of this number waste less; else a search found them.
    """

    num_graphs: int
    buckets: tuple[Sizes, ...]
    waste: float
    is_exact: bool


@dataclass(frozen=True, slots=True)
class SyncPlace:
    """A line at which the host waits for a value; `found_by` says how that is known."""

    kind: str
    file: str
    line: int
    code: str
    count: int
    found_by: Literal["run", "source", "run and source"]


@dataclass(frozen=True, slots=True)
class SecondStep:
    """Whether a second call repeats the first.

    `num_graphs` were compiled at the first call, `num_again` more at the second on the same batch,
    `num_same_shape` more on another batch of the same shapes (None when there is none); all None
    when torch.compile gave up. `same_values` is with one seed, `same_unseeded` without.
    """

    num_graphs: int | None
    num_again: int | None
    num_same_shape: int | None
    reason: str
    same_values: bool
    same_unseeded: bool
    random_operations: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """True when nothing was compiled again and the values were the same with one seed."""
        return not self.num_again and not self.num_same_shape and self.same_values


@dataclass(frozen=True, slots=True)
class ShapeReport:
    """One census. `is_complete`: the loader ended before the limit.

    `call` says how a batch is given to the model. `plans` go from one bucket to more, the last
    pads nothing when it has as many as there are shapes; `chosen` is a place in it, None when
    nothing varies. `compile_time` is per graph, None when it is not known.
    """

    model: str
    data: str
    call: str
    num_batches: int
    is_complete: bool
    inputs: tuple[InputShapes, ...]
    varying: tuple[VaryingDim, ...]
    graphs: tuple[DistinctGraph, ...]
    plans: tuple[BucketPlan, ...]
    chosen: int | None
    why: str
    compile_time: Estimate | None
    compile_note: str
    syncs: tuple[SyncPlace, ...]
    second: SecondStep
    advice: tuple[str, ...]
    wall_s: float = 0.0
    format: int = 1

    @property
    def plan(self) -> BucketPlan | None:
        """The plan that was chosen."""
        return None if self.chosen is None else self.plans[self.chosen]

    @property
    def ok(self) -> bool:
        """True when the second step repeats the first."""
        return self.second.ok
