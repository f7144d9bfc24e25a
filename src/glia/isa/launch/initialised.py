"""Which elements of a storage were written: the shadow that makes uninitialised reads an error.

One flag per element of the storage's dtype (finer once a narrower view looks at it). Kept while
tracing, because most access patterns are known then; values are not needed.
"""

from __future__ import annotations

import numpy as np

from glia.core.errors import KernelError
from glia.isa.tensors.addressing import reach
from glia.isa.tensors.tensor import NkiTensor, Storage

_NONE = np.zeros(0, bool)


def not_stored(what: str, shadow: Shadow | None) -> KernelError:
    """The error of a result with elements that nobody wrote."""
    if shadow is None or not shadow.is_touched:
        got = "elements never written: nothing was stored to it"
        do = "store to it with nisa.dma_copy, or return the tensor that the kernel did store to"
    else:
        got = "elements never written"
        do = "check the ragged edges of the loops that store it"
    return KernelError(f"{what}: got {got}, expected every element stored; {do}")


class Shadow:
    """Written-flags of one storage. `full` skips the work once everything was written.

    `uncertain` is set once a run-time address wrote or read what was not written all over: then the
    flags allow what may be right, and the run tells (`silicon/execution/witness.py`).
    Flags are made only when a view that is not the whole storage comes: most tiles never need any.
    """

    __slots__ = (
        "_flags",
        "_num_bytes",
        "_pitch",
        "_size",
        "_started",
        "_started_missing",
        "_steps",
        "_storage",
        "_unwritten",
        "full",
        "uncertain",
    )

    def __init__(self, storage: Storage) -> None:
        self.full = storage.role in ("input", "constant")
        self._storage, self._steps = storage, storage.steps
        self._size = storage.dtype.itemsize
        self._num_bytes = storage.num_bytes
        self._pitch = max(storage.partition_bytes // self._size, 1)
        self.uncertain = False
        self._flags: np.ndarray | None = None  # None: nothing was written
        self._unwritten = self._num_flags
        self._started: np.ndarray | None = None  # None: no matmul was here
        self._started_missing = self._num_flags

    @property
    def _num_flags(self) -> int:
        return self._num_bytes // self._size

    def mark(self, view: NkiTensor) -> None:
        """Record a write; one with a run-time address counts for all that it may touch."""
        if self.full:
            return
        if self._is_whole(view):
            self.full, self._flags = True, _NONE
            return
        flags = self._select(view, "_flags")
        missing = flags.size - int(np.count_nonzero(flags))
        self.uncertain |= missing > 0 and view.indirection is not None
        self._unwritten -= missing
        flags[...] = True
        if self._unwritten <= 0:  # a view that repeats elements counts them more than once
            assert self._flags is not None
            self._unwritten = self._num_flags - int(np.count_nonzero(self._flags))
            self.full = self._unwritten == 0
            if self.full:
                self._flags = _NONE  # nothing is ever unwritten again

    def forget(self, view: NkiTensor) -> None:
        """Record that what the view holds is undefined from here on."""
        self._lose(view, np.True_)

    @property
    def is_touched(self) -> bool:
        """True when anything of it was written."""
        return self.full or (self._flags is not None and bool(self._flags.any()))

    def is_written(self, view: NkiTensor) -> bool:
        """True when every element of the view was written; of a run-time one, any it may touch."""
        if self.full:
            return True
        flags = self._select(view, "_flags")
        if view.indirection is None or flags.all():
            return bool(flags.all())
        self.uncertain |= bool(flags.any())
        return bool(flags.any())

    def partly_written(self, view: NkiTensor) -> np.ndarray | None:
        """Which elements of the view were written, where some were and some were not; else None."""
        if self.full or view.indirection is not None:
            return None
        flags: np.ndarray = self._select(view, "_flags")
        if flags.ndim > view.ndim:  # several flags per element
            flags = np.all(flags, axis=-1)
        return flags.copy() if flags.any() and not flags.all() else None

    def unmark(self, view: NkiTensor, lost: np.ndarray) -> None:
        """Record that these elements of the view, and only these, are not written after all."""
        if lost.any():
            self._lose(view, lost)

    def _lose(self, view: NkiTensor, lost: np.ndarray | np.bool_) -> None:
        if self.full:
            self.full = False
            self._flags = np.ones(self._num_flags, bool)
        self._select(view, "_flags")[lost] = False
        assert self._flags is not None
        self._unwritten = self._flags.size - int(np.count_nonzero(self._flags))

    # -- accumulation groups of PSUM -----------------------------------------------------------

    def group_state(self, view: NkiTensor) -> str:
        """`none`, `all` or `mixed`: how much of the view a matmul has started."""
        if self._started is None:
            return "none"
        if self._started_missing == 0:
            return "all"
        flags = self._select(view, "_started")
        return "all" if flags.all() else "mixed" if flags.any() else "none"

    def mark_started(self, view: NkiTensor, started: bool) -> None:
        """A matmul wrote here (True), or something else did (False)."""
        if started and self._is_whole(view):
            self._started, self._started_missing = _NONE, 0
        if (self._started is None and not started) or (started and self._started_missing == 0):
            return
        if self._started is None or self._started is _NONE:
            self._started = np.full(self._num_flags, self._started_missing == 0)
        flags = self._select(view, "_started")
        known = int(np.count_nonzero(flags))
        self._started_missing += known - flags.size if started else known
        flags[...] = started
        if self._started_missing <= 0:
            self._started_missing = int(np.count_nonzero(~self._started))

    def _select(self, view: NkiTensor, which: str) -> np.ndarray:
        """The flags of a view's elements; a wider dtype covers several flags per element."""
        view = reach(view)
        if view.dtype.itemsize < self._size:
            self._refine(view.dtype.itemsize)
        ratio = view.dtype.itemsize // self._size
        shape, strides = view.shape, tuple(s * ratio for s in view.steps)
        offset = view.start * ratio
        if view.on_chip:
            strides = (view.steps[0] * self._pitch, *strides[1:])
            offset += view.partition * self._pitch
        if ratio > 1:
            shape, strides = (*shape, ratio), (*strides, 1)
        if self._flags is None:
            self._flags = np.zeros(self._num_flags, bool)
        return np.ndarray(shape, bool, getattr(self, which), offset, strides)

    def _refine(self, size: int) -> None:
        """Flags per `size` bytes instead of per element: a narrower dtype looks at the storage."""
        parts = self._size // size
        if self._flags is not None:
            self._flags = np.repeat(self._flags, parts)
        if self._started is not None and self._started is not _NONE:
            self._started = np.repeat(self._started, parts)
        self._unwritten *= parts
        self._started_missing *= parts
        self._pitch *= parts
        self._size = size

    def _is_whole(self, view: NkiTensor) -> bool:
        """True for the whole storage as it was declared, each element once."""
        storage = self._storage
        if view.shape != storage.shape or view.dtype.itemsize != storage.dtype.itemsize:
            return False
        plain = not view.start and not view.partition and view.indirection is None
        return plain and view.steps == self._steps
