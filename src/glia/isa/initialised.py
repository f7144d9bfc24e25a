"""Which elements of a storage were written: the shadow that makes uninitialised reads an error.

One flag per element of the storage's dtype. Kept while tracing only, because access patterns are
known then; values are not needed.
"""

from __future__ import annotations

import numpy as np

from glia.isa.tensor import NkiTensor, Storage


class Shadow:
    """Written-flags of one storage. `full` skips the work once everything was written."""

    __slots__ = ("_flags", "_pitch", "_size", "full", "started")

    def __init__(self, storage: Storage) -> None:
        self.full = storage.role in ("input", "constant")
        self.started: np.ndarray | None = None
        self._size = storage.dtype.itemsize
        self._pitch = max(storage.partition_bytes // self._size, 1)
        rows = storage.num_partitions
        self._flags = np.zeros(0 if self.full else rows * self._pitch, bool)

    def mark(self, view: NkiTensor, written: bool = True) -> None:
        """Record a write (or, with `written=False`, forget one)."""
        if self.full and written:
            return
        self.full = False
        self._select(view, self._flags)[...] = written
        self.full = written and bool(self._flags.all()) if view.free_size > 1 else self.full

    def is_written(self, view: NkiTensor) -> bool:
        """True when every element of the view was written."""
        return self.full or bool(self._select(view, self._flags).all())

    # -- accumulation groups of PSUM -----------------------------------------------------------

    def group_state(self, view: NkiTensor) -> str:
        """`none`, `all` or `mixed`: how much of the view a matmul has started."""
        if self.started is None:
            return "none"
        flags = self._select(view, self.started)
        return "all" if flags.all() else "mixed" if flags.any() else "none"

    def mark_started(self, view: NkiTensor, started: bool) -> None:
        """A matmul wrote here (True), or something else did (False)."""
        if self.started is None:
            if not started:
                return
            self.started = np.zeros(self._flags.size, bool)
        self._select(view, self.started)[...] = started

    def _select(self, view: NkiTensor, flags: np.ndarray) -> np.ndarray:
        scale = view.dtype.itemsize
        if scale == self._size:
            return _strided(flags, view, self._pitch, view.offset)
        return self._select_bytes(view, flags, scale)

    def _select_bytes(self, view: NkiTensor, flags: np.ndarray, scale: int) -> np.ndarray:
        """A reinterpreted view: the whole elements between its first and last byte, per row."""
        low = view.offset * scale
        span = sum((n - 1) * s for n, s in zip(view.shape[1:], view.strides[1:], strict=True))
        first, last = low // self._size, (low + (span + 1) * scale - 1) // self._size
        rows = flags.reshape(-1, self._pitch)
        return rows[view.partition : view.partition + view.num_partitions, first : last + 1]


def _strided(flags: np.ndarray, view: NkiTensor, pitch: int, offset: int) -> np.ndarray:
    strides = view.strides
    if view.on_chip:
        offset += view.partition * pitch
        strides = (strides[0] * pitch, *strides[1:])
    return np.ndarray(view.shape, bool, flags, offset, strides)
