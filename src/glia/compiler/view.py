"""Strided views on HBM buffers: how reshapes, transposes and slices cost nothing.

A view is `buffer[offset + sum(stride * index)]`, in elements of its dtype. Every graph value lives
in a view; a shape op gives a new view of the same buffer wherever strides can express it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from glia.core.dtypes import DType, dtype
from glia.isa.tensors.tensor import dense_strides
from glia.nki.kernel import TensorSpec


@dataclass(frozen=True, slots=True)
class View:
    """Elements of an HBM buffer; stride 0 repeats."""

    buffer: str
    format: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def dtype(self) -> DType:
        """The stored number format."""
        return dtype(self.format)

    @property
    def num_elements(self) -> int:
        """Product of the shape."""
        return math.prod(self.shape)

    @property
    def is_dense(self) -> bool:
        """True when the elements lie row-major without gaps."""
        dense = dense_strides(self.shape)
        pairs = zip(self.shape, self.strides, dense, strict=True)
        return all(size == 1 or have == want for size, have, want in pairs)

    def permute(self, dims: Sequence[int]) -> View:
        """Reorder dims."""
        return self._with([self.shape[d] for d in dims], [self.strides[d] for d in dims])

    def slice(self, starts: Sequence[int], limits: Sequence[int], steps: Sequence[int]) -> View:
        """Elements `start:limit:step` of each dim."""
        moved = sum(a * s for a, s in zip(starts, self.strides, strict=True))
        shape = [-(-(b - a) // c) for a, b, c in zip(starts, limits, steps, strict=True)]
        strides = [s * c for s, c in zip(self.strides, steps, strict=True)]
        return replace(self._with(shape, strides), offset=self.offset + moved)

    def broadcast(self, shape: Sequence[int], dims: Sequence[int]) -> View:
        """Place own dims at `dims` of `shape`; the rest, and dims of size 1, repeat."""
        strides = [0] * len(shape)
        for own, place in enumerate(dims):
            strides[place] = self.strides[own] if self.shape[own] == shape[place] else 0
        return self._with(shape, strides)

    def reshape(self, shape: Sequence[int]) -> View | None:
        """The same elements in another shape, or None when that needs a copy."""
        if self.is_dense:
            return self._with(shape, dense_strides(shape))
        proxy = np.lib.stride_tricks.as_strided(np.empty(1, np.int8), self.shape, self.strides)
        try:
            return self._with(shape, np.reshape(proxy, tuple(shape), copy=False).strides)
        except ValueError:
            return None

    def spec(self) -> TensorSpec:
        """How a kernel sees it: dense tensors have no strides."""
        return TensorSpec(self.shape, self.dtype, None if self.is_dense else self.strides)

    def bind(self, memory: np.ndarray, base: int) -> np.ndarray:
        """As a NumPy array of uint8 `memory`, with the buffer at byte `base`."""
        size = self.dtype.itemsize
        return np.ndarray(
            self.shape,
            self.dtype.numpy,
            memory,
            base + self.offset * size,
            tuple(s * size for s in self.strides),
        )

    def _with(self, shape: Sequence[int], strides: Sequence[int]) -> View:
        return replace(self, shape=tuple(shape), strides=tuple(strides))


def dense_view(buffer: str, format: str, shape: Sequence[int]) -> View:
    """The whole of a dense buffer."""
    return View(buffer, format, tuple(shape), dense_strides(shape))
