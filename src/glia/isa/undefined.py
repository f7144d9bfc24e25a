"""How elements that nobody wrote pass through instructions: what the results owe to them.

They may be moved, and computed with as long as each stays in a lane of its own: public kernels work
on whole tiles of which they filled a part, and leave the rest alone at the end. Who mixes them into
a result, stores them or returns them is refused.
Source: aws-neuron-sdk nki/guides/nki_simulator.rst (uninitialised memory is NaN there, which shows
where it reaches a result, and nowhere else).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from glia.isa.stream import Carries
from glia.isa.tensors.tensor import NkiTensor


def moved(by: Callable[[np.ndarray, np.ndarray], None]) -> Carries:
    """Of an instruction that only moves its first read into its first write, as `by` does."""
    return Carries(by)


def elementwise(num_reads: int) -> Carries:
    """Each element comes of the same element of tiles as large, and of its partition of columns."""
    return Carries(_all_defined, num_reads, computes=True)


def within_partitions() -> Carries:
    """Of one whose result holds, in each partition, what that partition of the first read gives."""
    return Carries(_rows_defined)


def reduced(num_dims: int) -> Carries:
    """Of a reduction of the last `num_dims` dims: each result comes of elements of its own.

    For tiles that take turns at the same bytes (`StreamBuilder.is_stale`). A result of elements of
    which some were written and some not is refused: the undefined would spoil what was written.
    """

    def defined(out: np.ndarray, read: np.ndarray) -> None:
        lanes = read.reshape(*read.shape[: read.ndim - num_dims], -1)
        whole, touched = lanes.all(axis=-1), lanes.any(axis=-1)
        out[...] = False if (touched & ~whole).any() else whole.reshape(out.shape)

    return Carries(defined, computes=True)


def _rows_defined(out: np.ndarray, read: np.ndarray) -> None:
    rows = read.reshape(len(read), -1).all(axis=1)
    out[...] = rows.reshape(-1, *(1,) * (out.ndim - 1))


def _all_defined(out: np.ndarray, *reads: np.ndarray | None) -> None:
    out[...] = True
    for flags in reads:
        if flags is None:
            continue
        shape = out.shape if flags.size == out.size else (-1, *(1,) * (out.ndim - 1))
        out &= flags.reshape(shape)


def arriving(
    carries: Carries | None, writes: Sequence[NkiTensor], flags: Sequence[np.ndarray | None]
) -> np.ndarray | None:
    """Which elements of the first result are defined, by the flags of what is read.

    None where that is no question: all of what is read is defined (its flags are None), or nothing
    would be left of a computation.
    """
    if carries is None or all(one is None for one in flags):
        return None
    out = np.zeros(writes[0].shape, bool)
    carries.defined(out, *flags)
    return None if carries.computes and not out.any() else out


def computed_with(op: str, view: NkiTensor) -> str:
    """The warning where undefined elements are computed with."""
    return (
        f"{op} reading {view!r}: got memory never written in a part of it, what is computed from "
        "that part is undefined; fill it first (memset), or leave it out"
    )
