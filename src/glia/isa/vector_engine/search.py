"""Vector engine: the eight largest values of each partition, and where values stand.

Comparisons run in float32. Eight registers per lane hold the values to look for; a register takes
one match of the stream, so equal values take successive matches: find_index8 fills them upwards,
match_replace8 downwards. A value without a match gives all ones.
Source: aws-neuron-sdk nki/api/nki/isa/__init__.py.
"""

from __future__ import annotations

import numpy as np

from glia.isa.engines import engine as Engine
from glia.isa.launch.builder import current, instruction
from glia.isa.rules import f32, require, same_shape, store
from glia.isa.stream import Instruction
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.vector_engine.costs import vector_work
from glia.isa.vector_engine.operands import (
    constant_of,
    free_dims,
    numeric,
    one_of,
    per_partition,
)

_WIDTH = 8  # values that the engine holds per lane
_LONGEST = 16384
_FREE_DIMS = 2  # tiles of up to three dims


def _check_data(what: str, role: str, data: NkiTensor) -> None:
    free_dims(what, role, data, _FREE_DIMS)
    require(
        _WIDTH <= data.free_size <= _LONGEST,
        f"{what} {role}",
        f"{data.free_size} elements per partition",
        f"{_WIDTH}..{_LONGEST}",
    )


@instruction
def max8(dst: NkiTensor, src: NkiTensor, name: str | None = None) -> Instruction:
    """The 8 largest values of each partition of src, in descending order, into dst (P, 8).

    NaN counts as larger than any number (unpublished).

    Raises:
        KernelError: unless src has 8..16384 elements per partition and dst is (P, 8).
    """
    what, b = "max8", current()
    numeric(what, dst=dst, src=src)
    _check_data(what, "src", src)
    per_partition(what, "dst", dst, src.num_partitions, _WIDTH)
    require(dst.ndim == 2, f"{what} dst", f"{dst.ndim} dims", "2")

    def meaning(out: np.ndarray, x: np.ndarray) -> None:
        rows = f32(x).reshape(len(x), -1)
        top = np.partition(rows, rows.shape[1] - _WIDTH, axis=1)[:, -_WIDTH:]
        store(out, np.sort(top, axis=1)[:, ::-1])

    work = vector_work(b.target, src.free_size, dst, src)
    return b.emit(what, Engine.vector, (dst,), (src,), work, meaning)


@instruction
def nc_find_index8(
    dst: NkiTensor, data: NkiTensor, vals: NkiTensor, name: str | None = None
) -> Instruction:
    """Position of the first element of data that equals each of the 8 vals, into dst (P, 8).

    Of equal vals the k-th gets the k-th match. dst is uint16 or uint32; all ones mean no match.

    Raises:
        KernelError: for sizes other than 8..16384 of data and 8 of vals and dst, or a dst of
            another dtype.
    """
    what, b = "nc_find_index8", current()
    numeric(what, dst=dst, data=data, vals=vals)
    _check_data(what, "data", data)
    free_dims(what, "vals", vals, _FREE_DIMS)
    per_partition(what, "vals", vals, data.num_partitions, _WIDTH)
    _check_index(what, "dst", dst, data)

    def meaning(out: np.ndarray, x: np.ndarray, wanted: np.ndarray) -> None:
        found, place = _matches(x, wanted, range(_WIDTH))
        out[...] = _indices(found, place, out)

    work = vector_work(b.target, data.free_size, dst, data)
    return b.emit(what, Engine.vector, (dst,), (data, vals), work, meaning)


def _check_index(what: str, role: str, dst: NkiTensor, data: NkiTensor) -> None:
    per_partition(what, role, dst, data.num_partitions, _WIDTH)
    one_of(what, role, dst, "uint16", "uint32")


def _matches(data: np.ndarray, vals: np.ndarray, order: range) -> tuple[np.ndarray, np.ndarray]:
    """For [P, N] and [P, 8]: found [P, 8] and place [P, 8]; equal vals match in this order."""
    rows, wanted = (f32(v).reshape(len(v), -1) for v in (data, vals))
    found = np.zeros(wanted.shape, bool)
    place = np.zeros(wanted.shape, np.int64)
    earlier: list[int] = []
    for slot in order:
        value = wanted[:, slot : slot + 1]
        equal = rows == value
        rank = (wanted[:, earlier] == value).sum(axis=1)
        found[:, slot], place[:, slot] = equal.any(axis=1), equal.argmax(axis=1)
        repeated = np.flatnonzero(rank)
        if repeated.size:  # the (rank + 1)-th match of these partitions
            hit = equal[repeated]
            hit &= np.cumsum(hit, axis=1, dtype=np.int32) > rank[repeated, None]
            found[repeated, slot], place[repeated, slot] = hit.any(axis=1), hit.argmax(axis=1)
        earlier.append(slot)
    return found, place


def _indices(found: np.ndarray, place: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Places in out's dtype and shape, all ones where nothing was found."""
    missing = np.iinfo(out.dtype).max
    return np.where(found, place, missing).astype(out.dtype).reshape(out.shape)


@instruction
def nc_match_replace8(
    dst: NkiTensor,
    data: NkiTensor,
    vals: NkiTensor,
    imm: float,
    dst_idx: NkiTensor | None = None,
    name: str | None = None,
) -> Instruction:
    """`dst = data` with the first match of each of the 8 vals replaced by `imm`.

    vals are served from the last to the first, so of equal vals the last takes the first match.
    `dst_idx` (P, 8; uint16 or uint32) takes the places; all ones mean no match (published for
    nc_find_index8 only). dst may be data.

    Raises:
        KernelError: for sizes other than 8..16384 of data and 8 of vals and dst_idx, or an imm that
            dst cannot hold.
    """
    what, b = "nc_match_replace8", current()
    numeric(what, dst=dst, data=data, vals=vals)
    same_shape(what, dst, data=data)
    _check_data(what, "data", data)
    free_dims(what, "vals", vals, _FREE_DIMS)
    per_partition(what, "vals", vals, data.num_partitions, _WIDTH)
    if dst_idx is not None:
        numeric(what, dst_idx=dst_idx)
        _check_index(what, "dst_idx", dst_idx, data)
    replaced = constant_of(f"{what} imm", imm, dst)
    writes = (dst,) if dst_idx is None else (dst, dst_idx)
    same = dst.dtype == data.dtype

    def meaning(out: np.ndarray, *arrays: np.ndarray) -> None:
        x, wanted = arrays[-2:]
        found, place = _matches(x, wanted, range(_WIDTH - 1, -1, -1))
        result = np.empty((len(x), x[0].size), out.dtype)
        if same:
            result[...] = x.reshape(result.shape)
        else:
            store(result, f32(x))
        partition, _ = np.nonzero(found)
        result[partition, place[found]] = replaced
        out[...] = result.reshape(out.shape)
        if len(arrays) > 2:
            arrays[0][...] = _indices(found, place, arrays[0])

    work = vector_work(b.target, data.free_size, dst, data)
    return b.emit(what, Engine.vector, writes, (data, vals), work, meaning)
