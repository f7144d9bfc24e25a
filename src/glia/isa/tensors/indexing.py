"""Views of some of the elements: indexing, raw access patterns, addresses known at run time.

Sources: aws-neuron-sdk nki/get-started/nki-language-guide.rst (tensor indexing),
nki/deep-dives/nki-aps.rst, nki/api/nki/language/__init__.py (NkiTensor).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from glia.isa.engines import engine
from glia.isa.tensors import patterns
from glia.isa.tensors.addressing import (
    Columns,
    Indirection,
    Rows,
    Shift,
    check_scalar,
    group_size,
    known_integer,
)
from glia.isa.tensors.formats import named
from glia.isa.tensors.view import View

if TYPE_CHECKING:
    from glia.isa.tensors.tensor import NkiTensor


class Indexing(View):
    """Methods that pick elements."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Self:
        keys = key if type(key) is tuple else (key,)
        if len(keys) > len(self.shape):
            keys = patterns.expand_key(self, keys)
        shape: list[int] = []
        steps: list[int] = []
        start, partition = self.start, self.partition
        on_chip, moved = self.on_chip, self.indirection
        for dim, item in enumerate(keys):
            if item is Ellipsis:
                return self[patterns.expand_key(self, keys)]
            piece = patterns.cut(self, dim, item)
            if moved is not None:
                self._check_cut(dim, piece, moved)
            step = self.steps[dim]
            by_partition = dim == 0 and on_chip
            keeps = piece.keep or by_partition
            if by_partition:
                partition += piece.start * step
            else:
                start += piece.start * step
            if piece.dynamic is not None:
                values = self.shape[dim] - piece.size + 1
                moved = Shift(piece.dynamic, step, values, len(shape), by_partition)
            elif moved is not None and moved is self.indirection and moved.dim == dim:
                moved = replace(moved, dim=len(shape) if keeps else -1)
            if keeps:
                shape.append(piece.size)
                steps.append(step * piece.step)
        shape += self.shape[len(keys) :]
        steps += self.steps[len(keys) :]
        if len(shape) < (2 if on_chip else 1):  # the last indexed dim stays, at size 1
            shape.append(1)
            steps.append(self.steps[-1])
        return self.of(
            self.storage, self.dtype, tuple(shape), tuple(steps), start, partition, moved,
            self.outside or 0 in shape,
        )  # fmt: skip

    def _check_cut(self, dim: int, piece: patterns.Cut, moved: Indirection) -> None:
        """A view with a run-time address: not cut where it is indirect, and no second one."""
        whole = piece == patterns.Cut(0, self.shape[dim])
        if piece.dynamic is not None:
            raise self._already("a second run-time index")
        before = moved is self.indirection  # else an earlier key of this very call made it
        if before and not whole and (dim == moved.dim or isinstance(moved, Columns)):
            raise self._already(f"a cut of dim {dim}, which is picked at run time,")

    def slice(self, dim: int, start: int, end: int, step: int = 1) -> Self:
        """Elements `start:end:step` of one dim; 0 <= start < end <= its size."""
        at = self._dim("slicing", dim)
        first, last = known_integer(start), known_integer(end)
        if first is None or last is None or not 0 <= first < last <= self.shape[at]:
            raise self.refused(
                "slicing", f"[{start}:{end}] of dim {dim}", f"0 <= start < end <= {self.shape[at]}"
            )
        return self[(*(slice(None),) * at, slice(first, last, step))]

    def select(self, dim: int, index: Any) -> Self:
        """One element of a dim, which goes away; `index` may be a (1, 1) tile (run time)."""
        at = self._dim("selecting", dim)
        if not hasattr(index, "storage"):
            known = known_integer(index)
            if known is None or not 0 <= known < self.shape[at]:
                got = f"index {index} in dim {dim}" if known is not None else type(index).__name__
                raise self.refused("selecting", got, f"0..{self.shape[at] - 1} or a (1, 1) tile")
            return self[(*(slice(None),) * at, known)]
        check_scalar(f"selecting from {self!r}", index)
        if self.indirection is not None:
            raise self._already("a second run-time index")
        if at == 0 and self.on_chip:
            raise self.refused(
                "selecting", "the partition dim at run time", "a free dim", "move rows with a DMA"
            )
        moved = Shift(index, self.steps[at], self.shape[at])
        rest = self.replaced(
            (*self.shape[:at], *self.shape[at + 1 :]), (*self.steps[:at], *self.steps[at + 1 :])
        )
        if rest.ndim < (2 if self.on_chip else 1):
            rest = rest.replaced((*rest.shape, 1), (*rest.steps, 1))
        return rest.with_address(moved)

    def vector_select(self, dim: int, vector_offset: NkiTensor) -> Self:
        """Row `vector_offset[p]` of dim 0 for each p; an HBM tensor, for DMAs only."""
        self._check_rows("vector_select of", dim, vector_offset)
        shape = (vector_offset.shape[0], *self.shape[1:])
        return self.replaced(shape, self.steps).with_address(
            Rows(vector_offset, self.shape[0], self.steps[0])
        )

    def _check_rows(self, what: str, dim: int, index: NkiTensor) -> None:
        if self.indirection is not None:
            raise self._already("a second run-time index")
        if self.on_chip or dim != 0:
            raise self.refused(what, f"dim {dim}", "dim 0 of an HBM tensor", "use nc_n_gather")
        kinds = ("int32", "uint32")
        if not isinstance(index, View) or index.storage.memory != "sbuf":
            raise self.refused(what, f"{index!r}", "row numbers in SBUF", "load them first")
        if index.dtype.name not in kinds or index.indirection is not None:
            raise self.refused(what, f"{index!r}", "int32 or uint32 row numbers")

    def indirect(self, index: NkiTensor, num_elem: int | None = None) -> Self:
        """Tensor indirection: elements of each partition at the offsets in `index` (P, K).

        Without `num_elem` all offsets of a group of 16 partitions: 16 * K (the Tensor engine, with
        groups of 32, takes up to 32 * K).
        """
        what = "tensor indirection on"
        if self.indirection is not None:
            raise self._already("a second run-time index")
        if not self.on_chip or not isinstance(index, View) or index.storage.memory != "sbuf":
            raise self.refused(what, f"index {index!r}", "an on-chip tile and an index in SBUF")
        if not index.dtype.is_integer or index.ndim != 2 or index.shape[0] != self.shape[0]:
            raise self.refused(
                what, f"index {index!r}", f"integer offsets of shape ({self.shape[0]}, K)"
            )
        most = min(index.size, group_size(engine.vector) * index.shape[1])
        count = most if num_elem is None else known_integer(num_elem)
        if count is None:
            raise self.refused(what, f"num_elem {num_elem!r}", "an integer")
        if not 1 <= count <= index.size:
            raise self.refused(what, f"num_elem {count}", f"1..{index.size}")
        view = self.replaced((self.shape[0], count), (self.steps[0], 1))
        return view.with_address(Columns(index, self.shape, self.steps))

    def ap(
        self,
        pattern: Iterable[Sequence[int]],
        offset: int | None = None,
        scalar_offset: Any = None,
        vector_offset: NkiTensor | None = None,
        indirect_dim: int = 0,
        dtype: Any = None,
    ) -> Self:
        """A raw access pattern `[[step, count], ...]` on the storage, in elements of `dtype`.

        On chip the first pair is the partitions; its step is the storage's elements per partition.
        The pattern starts where this view does, `offset` elements further, and at run time
        `scalar_offset` times this view's stride of `indirect_dim` further still; `vector_offset`
        picks a row of dim 0 per partition.

        A pattern that leaves the storage is refused where an instruction uses it: kernels form the
        patterns of a ragged edge and then leave them alone (nki-library, output_projection_tkg).
        """
        if self.indirection is not None:
            raise self._already("an access pattern")
        kind = self.dtype if dtype is None else named(f"access pattern {self!r}", dtype)
        pairs = patterns.checked_pairs(self, pattern)
        made = patterns.raw(self, pairs, patterns.checked_offset(self, offset), kind)
        if scalar_offset is not None and vector_offset is not None:
            raise self.refused("access pattern", "two run-time offsets", "one of them")
        if scalar_offset is None and vector_offset is None:
            made.outside = not patterns.inside(made)
            return made
        dim = self._dim("access pattern", indirect_dim)
        step = self.steps[dim]
        by_partition = self.on_chip and dim == 0
        if not by_partition:
            step = step * self.dtype.itemsize // kind.itemsize
        if vector_offset is not None:
            self._check_rows("vector_offset on", dim, vector_offset)
            one = made.replaced((1, *made.shape[1:]), made.steps)
            one.check_bounds()
            rows = min(self.shape[0], patterns.room(one, step))
            return made.with_address(Rows(vector_offset, rows, step))
        return made.moved_by(scalar_offset, step, dim, by_partition)

    def moved_by(self, by: Any, step: int, dim: int, by_partition: bool) -> Self:
        """This pattern `by` times `step` further on; `by` is a number, a register or a tile."""
        self.check_bounds()
        known = known_integer(by)
        if known is None:
            check_scalar(f"scalar_offset on {self!r}", by)
            values = patterns.room(self, step, by_partition)
            return self.with_address(Shift(by, step, values, dim, by_partition))
        there = known * step
        made = self.replaced(
            self.shape,
            self.steps,
            self.start + (0 if by_partition else there),
            self.partition + (there if by_partition else 0),
        )
        made.check_bounds()
        return made
