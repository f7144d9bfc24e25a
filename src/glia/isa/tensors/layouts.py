"""Views of the same elements in another layout: reshapes, permutations, casts.

Source: aws-neuron-sdk nki/api/nki/language/__init__.py (NkiTensor).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

from glia.core.errors import KernelError
from glia.isa.tensors import patterns
from glia.isa.tensors.addressing import Rows
from glia.isa.tensors.formats import named
from glia.isa.tensors.view import View


class Layouts(View):
    """Methods that keep the elements and change how they are arranged."""

    __slots__ = ()

    def reshape(self, shape: Sequence[int]) -> Self:
        """The same elements in another shape; only where steps allow it without a copy."""
        target = patterns.fill_minus_one(f"reshaping {self!r}", shape, self.size)
        fixed = self.on_chip or isinstance(self.indirection, Rows)
        if fixed and target[:1] != self.shape[:1]:
            raise self.refused(
                "reshaping",
                f"{target}",
                f"dim 0, the partition dim, still {self.shape[0]}",
                "move data between partitions with a transpose",
            )
        first = 1 if fixed else 0
        steps = patterns.restride(self.shape[first:], self.steps[first:], target[first:])
        if steps is None:
            raise self.refused(
                "reshaping", f"{target}, which needs a copy", "steps that allow it",
                "copy the tile first",
            )  # fmt: skip
        moved = self.indirection
        dim = -1 if moved is None else moved.dim
        kept = dim if target[: dim + 1] == self.shape[: dim + 1] else -1
        return self._derived(target, self.steps[:first] + steps, kept)

    def flatten_dims(self, start_dim: int, end_dim: int) -> Self:
        """Merge dims `start_dim..end_dim` (inclusive), which must be contiguous."""
        low, high = self._dim("flattening", start_dim), self._dim("flattening", end_dim)
        if low > high:
            raise self.refused("flattening", f"dims {low}..{high}", "start_dim <= end_dim")
        merged = math.prod(self.shape[low : high + 1])
        return self.reshape((*self.shape[:low], merged, *self.shape[high + 1 :]))

    def reshape_dim(self, dim: int, shape: Sequence[int]) -> Self:
        """Split one dim."""
        at = self._dim("splitting", dim)
        what = f"splitting dim {at} of {self!r}"
        sizes = patterns.fill_minus_one(what, shape, self.shape[at])
        return self.reshape((*self.shape[:at], *sizes, *self.shape[at + 1 :]))

    def permute(self, dims: Sequence[int]) -> Self:
        """Reorder dims; on chip, and where rows are picked at run time, dim 0 stays first."""
        order = tuple(dims)
        if sorted(order) != list(range(self.ndim)):
            raise self.refused("permuting", f"{order}", f"a permutation of 0..{self.ndim - 1}")
        if order[0] != 0:
            self._keep_first("permuting", "dim 0 elsewhere")
        shape = tuple(self.shape[d] for d in order)
        moved = self.indirection
        kept = -1 if moved is None or moved.dim < 0 else order.index(moved.dim)
        return self._derived(shape, tuple(self.steps[d] for d in order), kept)

    def expand_dim(self, dim: int) -> Self:
        """Insert a dim of size 1; on chip never before the partition dim."""
        at = self._dim("expanding", dim, self.ndim + 1)
        if at == 0:
            self._keep_first("expanding", "dim 0")
        step = self.shape[at] * self.steps[at] if at < self.ndim else 1
        shape = (*self.shape[:at], 1, *self.shape[at:])
        return self._derived(shape, (*self.steps[:at], step, *self.steps[at:]), self._after(at, 1))

    def squeeze_dim(self, dim: int) -> Self:
        """Remove a dim of size 1."""
        at = self._dim("squeezing", dim)
        if self.shape[at] != 1:
            raise self.refused("squeezing", f"dim {at} of size {self.shape[at]}", "size 1")
        if at == 0:
            self._keep_first("squeezing", "dim 0")
        if self.on_chip and self.ndim == 2:
            raise self.refused("squeezing", "the last free dim", "two dims to stay on chip")
        shape = (*self.shape[:at], *self.shape[at + 1 :])
        steps = (*self.steps[:at], *self.steps[at + 1 :])
        return self._derived(shape, steps, self._after(at, -1))

    def broadcast(self, dim: int, size: int) -> Self:
        """Repeat a dim of size 1 without copying (step 0)."""
        at = self._dim("broadcasting", dim)
        if self.shape[at] != 1 or (at == 0 and self.on_chip) or size < 1:
            raise KernelError(
                f"broadcasting dim {dim} of {self!r} to {size}: got size {self.shape[at]}, "
                "expected 1 in a free dim; partitions are broadcast by DMA or by a matmul with ones"
            )
        shape, steps = list(self.shape), list(self.steps)
        shape[at], steps[at] = int(size), 0
        return self._derived(tuple(shape), tuple(steps), self._after(at, 0))

    def rearrange(
        self,
        src_pattern: Sequence[Any],
        dst_pattern: Sequence[Any],
        fixed_sizes: Mapping[str, int] | None = None,
    ) -> Self:
        """Split, reorder and merge dims by names: `(('b', ('h', 'w')), ('b', 'w', 'h'), {...})`."""
        what = f"rearranging {self!r}"
        sizes = fixed_sizes or {}
        plan = patterns.rearrangement(what, self.shape, src_pattern, dst_pattern, sizes)
        return self.reshape(plan.split).permute(plan.order).reshape(plan.merged)

    def view(self, dtype: Any) -> Self:
        """Reinterpret the bits as another dtype; the last dim rescales."""
        target = named(f"reinterpreting {self!r}", dtype)
        what = f"reinterpreting as {target}"
        if self.indirection is not None:
            raise self.refused(what, "a run-time address", "a plain view", "reinterpret first")
        up, down = self.dtype.itemsize, target.itemsize
        if up == down:
            return self._as(target, self.shape, self.steps, self.start)
        keep = 1 if self.on_chip else 0
        if self.ndim <= keep or (self.steps[-1] != 1 and self.shape[-1] != 1):
            raise self.refused(what, "a strided last dim", "a contiguous one")
        scaled = (self.start * up, self.shape[-1] * up, *(s * up for s in self.steps[keep:-1]))
        if any(n % down for n in scaled):
            raise self.refused(
                what, "sizes or steps that are not whole elements", f"multiples of {down} bytes"
            )
        start, last, *steps = (n // down for n in scaled)
        return self._as(target, (*self.shape[:-1], last), (*self.steps[:keep], *steps, 1), start)

    reinterpret_cast = view
