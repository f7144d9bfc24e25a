"""Vector engine: copies, fills, and moves between partitions, inside SBUF and PSUM.

Source: aws-neuron-sdk nki/api/nki/isa/__init__.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glia.isa.engines import engine as Engine
from glia.isa.launch.builder import current, instruction
from glia.isa.rules import (
    f32,
    not_both_psum,
    on_chip,
    pick_engine,
    refusal,
    require,
    same_shape,
    store,
)
from glia.isa.stream import Instruction
from glia.isa.target import PARTITIONS, QUADRANT
from glia.isa.tensors.tensor import NkiTensor, Shift
from glia.isa.undefined import moved
from glia.isa.vector_engine.costs import (
    all_2byte_floats,
    copy_rate,
    engine_work,
    vector_work,
)
from glia.isa.vector_engine.operands import constant_of, index, numeric, one_of

_KEEP = 255  # in a shuffle mask: leave the destination's partition as it is
_PREDICATES = ("uint8", "uint16", "uint32")


@instruction
def tensor_copy(
    dst: NkiTensor, src: NkiTensor, engine: Engine = Engine.unknown, name: str | None = None
) -> Instruction:
    """`dst = src` inside SBUF and PSUM; bit-exact for equal dtypes, else through float32.

    Raises:
        KernelError: for unequal sizes, PSUM on GpSimd, the Scalar engine where it has no copy, or a
            conversion of a packed format.
    """
    what, b = "tensor_copy", current()
    on_chip(what, dst=dst, src=src)
    same_shape(what, dst, src=src)
    same = dst.dtype == src.dtype
    if not same:
        numeric(what, dst=dst, src=src)
    allowed: tuple[Engine, ...] = (Engine.vector, Engine.gpsimd)
    allowed = (*allowed, Engine.scalar) if b.target.can.scalar_tensor_copy else allowed
    on = pick_engine(what, engine, allowed, dst, src)
    rate = copy_rate(b.target, dst, src) if on is Engine.vector else 1.0
    n = dst.free_size / rate
    if any(isinstance(v.indirection, Shift) for v in (dst, src)):
        n = max(n, b.target.dynamic_copy_min)
    work = engine_work(b.target, on, n, dst, src)
    meaning = _copy_bits if same else _copy_through_fp32
    return b.emit(what, on, (dst,), (src,), work, meaning, carries=moved(_copy_bits))


def _copy_bits(dst: np.ndarray, src: np.ndarray) -> None:
    dst[...] = src if src.shape == dst.shape else src.reshape(dst.shape)


def _copy_through_fp32(dst: np.ndarray, src: np.ndarray) -> None:
    store(dst, f32(src))


@instruction
def memset(
    dst: NkiTensor, value: float, engine: Engine = Engine.unknown, name: str | None = None
) -> Instruction:
    """Fill dst with a constant; packed formats with 0 only.

    Raises:
        KernelError: for a value that dst's dtype cannot hold.
    """
    what, b = "memset", current()
    on_chip(what, dst=dst)
    filled = constant_of(what, value, dst)
    on = pick_engine(what, engine, (Engine.vector, Engine.gpsimd), dst)
    rate = 1.0
    if on is Engine.vector:
        rate = copy_rate(b.target, dst)
        if all_2byte_floats(dst) and value == 0:
            rate = max(rate, b.target.memset_zero_rate_2byte)
    work = engine_work(b.target, on, dst.free_size / rate, dst)

    def meaning(out: np.ndarray) -> None:
        out[...] = filled

    return b.emit(what, on, (dst,), (), work, meaning)


@instruction
def tensor_copy_predicated(
    dst: NkiTensor,
    src: Any,
    predicate: NkiTensor,
    reverse_pred: bool = False,
    name: str | None = None,
) -> Instruction:
    """Where predicate is nonzero (zero with reverse_pred), `dst = src`; elsewhere dst stays.

    `src` is a tile of dst's dtype or a number. dst must have been written: the instruction keeps a
    part of it. Cost with a number as src is inferred: only one tile is read.

    Raises:
        KernelError: for src and predicate both in PSUM, a predicate that is no uint8, uint16 or
            uint32, or a src of another dtype.
    """
    what, b = "tensor_copy_predicated", current()
    on_chip(what, dst=dst, predicate=predicate)
    same_shape(what, dst, predicate=predicate)
    one_of(what, "predicate", predicate, *_PREDICATES)
    tiles: tuple[NkiTensor, ...] = ()
    value: Any = None
    if isinstance(src, NkiTensor):
        on_chip(what, src=src)
        same_shape(what, dst, src=src)
        not_both_psum(what, src, predicate)
        require(src.dtype == dst.dtype, f"{what} src", str(src.dtype), f"dst's {dst.dtype}")
        tiles = (src,)
    else:
        value = constant_of(what, src, dst)
    two_in_sbuf = bool(tiles) and all(v.buffer == "sbuf" for v in (*tiles, predicate))
    n = dst.free_size * (b.target.two_operand_cycles if two_in_sbuf else 1)
    work = vector_work(b.target, n, dst, predicate, *tiles)

    def meaning(out: np.ndarray, _: np.ndarray, pred: np.ndarray, *sources: np.ndarray) -> None:
        mask = (pred.reshape(out.shape) == 0) if reverse_pred else (pred.reshape(out.shape) != 0)
        out[...] = np.where(mask, sources[0].reshape(out.shape) if sources else value, out)

    return b.emit(what, Engine.vector, (dst,), (dst, predicate, *tiles), work, meaning)


@instruction
def nc_stream_shuffle(
    dst: NkiTensor, src: NkiTensor, shuffle_mask: Sequence[int], name: str | None = None
) -> Instruction:
    """`dst[i] = src[mask[i % 32]]` inside each quadrant of 32 partitions; 255 keeps dst[i].

    dst and src have one dtype and one number of elements per partition; partitions are counted from
    the first of each. dst may be src. Partitions that are kept, or that nothing takes from, need
    not have been written.

    Raises:
        KernelError: for a mask that is not 32 entries of 0..31 or 255, a partition that src lacks,
            or a start partition that the number of active partitions does not allow.
    """
    what, b = "nc_stream_shuffle", current()
    on_chip(what, dst=dst, src=src)
    require(dst.dtype == src.dtype, f"{what} src", str(src.dtype), f"dst's {dst.dtype}")
    require(
        dst.free_size == src.free_size,
        f"{what} src",
        f"{src.free_size} elements per partition",
        f"dst's {dst.free_size}",
    )
    _check_start(what, dst, src)
    picked = _sources(what, shuffle_mask, dst.num_partitions, src.num_partitions)
    written, lost = _known(np.flatnonzero(picked >= 0), picked, src)
    needed, chosen = np.unique(picked[written], return_inverse=True)
    writes, reads = _runs(dst, written), _runs(src, needed)

    def meaning(*arrays: np.ndarray) -> None:
        outs, sources = arrays[: len(writes)], arrays[len(writes) :]
        if not outs:
            return
        data = np.concatenate([s.reshape(len(s), -1) for s in sources])  # dst may be src
        at = 0
        for out in outs:
            out[...] = data[chosen[at : at + len(out)]].reshape(out.shape)
            at += len(out)

    work = vector_work(b.target, dst.free_size, dst, src)
    made = b.emit(what, Engine.vector, writes, reads, work, meaning, overlap_ok=True)
    for undefined in _runs(dst, lost):
        b.shadow(undefined).forget(undefined)
    return made


def _known(written: np.ndarray, picked: np.ndarray, src: NkiTensor) -> tuple[np.ndarray, ...]:
    """The partitions of dst that get something defined, and those that do not.

    Where nothing is defined all count as known: reading it is then refused.
    """
    shadow = current().shadow(src)
    if shadow.is_written(src):
        return written, written[:0]
    flags = np.array([shadow.is_written(src[p : p + 1]) for p in picked[written].tolist()], bool)
    return (written[flags], written[~flags]) if flags.any() else (written, written[:0])


def _runs(tile: NkiTensor, partitions: np.ndarray) -> tuple[NkiTensor, ...]:
    """The tile's views of these partitions (ascending), one for each run of consecutive ones."""
    breaks = np.flatnonzero(np.diff(partitions) > 1) + 1
    runs = np.split(partitions, breaks) if len(partitions) else []
    return tuple(tile[int(run[0]) : int(run[-1]) + 1] for run in runs)


def _check_start(what: str, dst: NkiTensor, src: NkiTensor) -> None:
    """Start partitions by the quadrants that the larger of both touches."""
    quadrants = -(-max(dst.num_partitions, src.num_partitions) // QUADRANT)
    step = {1: QUADRANT, 2: 2 * QUADRANT}.get(quadrants, PARTITIONS)
    for role, view in (("dst", dst), ("src", src)):
        if view.start_partition % step:
            raise refusal(
                f"{what} {role}",
                f"start partition {view.start_partition} with {quadrants * QUADRANT} active ones",
                "0" if step == PARTITIONS else f"a multiple of {step}",
            )


def _sources(what: str, mask: Sequence[int], num_dst: int, num_src: int) -> np.ndarray:
    """For each partition of dst the partition of src, or -1 to keep."""
    entries = [index(f"{what} shuffle_mask", m) for m in mask]
    legal = all(0 <= m < QUADRANT or m == _KEEP for m in entries)
    require(
        len(entries) == QUADRANT and legal,
        f"{what} shuffle_mask",
        f"{entries}",
        f"{QUADRANT} partitions of 0..{QUADRANT - 1}, or {_KEEP} to keep",
    )
    within = np.resize(np.asarray(entries), num_dst)
    picked = np.arange(num_dst) // QUADRANT * QUADRANT + within
    picked[within == _KEEP] = -1
    if picked.max(initial=-1) >= num_src:
        raise refusal(
            f"{what} shuffle_mask",
            f"partition {picked.max()} of src",
            f"0..{num_src - 1}",
            "src has no more; widen it or use 255",
        )
    return picked


def transpose_on_vector(dst: NkiTensor, data: NkiTensor) -> Instruction:
    """The Vector engine's form of nc_transpose: up to 32 x 32."""
    b = current()
    require(
        data.free_size <= QUADRANT and data.num_partitions <= QUADRANT,
        "nc_transpose data",
        f"shape {data.shape}",
        "at most 32 x 32",
    )
    work = vector_work(b.target, data.free_size, dst, data)

    def meaning(out: np.ndarray, x: np.ndarray) -> None:
        out[...] = x.reshape(x.shape[0], -1).T.reshape(out.shape)

    return b.emit(
        "nc_transpose", Engine.vector, (dst,), (data,), work, meaning, carries=moved(meaning)
    )
