"""Random numbers of the Vector and GpSimd engines.

The state is XORWOW (Marsaglia, Xorshift RNGs, 2003): six words x, y, z, w, v, d per generator; a
GpSimd lane has one generator, a Vector lane four, whose outputs take turns along the free dim. So
say the public texts of rand_set_state and rand2 for the chips that have it; the order of the words
is not public and taken as written here. Everything else about the streams is glia's own and does
not match silicon: `set_rng_seed` spreads its seed over lanes and words by a mixing function, chips
whose Vector engine has another generator (an undescribed LFSR) use this one too, and an engine that
nothing seeded starts every launch from seed 0.
Sources: aws-neuron-sdk nki/api/nki/isa/__init__.py, nki/guides/architecture/trainium3_arch.rst.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from glia.isa.engines import engine as Engine
from glia.isa.launch.builder import current, instruction
from glia.isa.rules import (
    column,
    in_memory,
    on_chip,
    pick_engine,
    refusal,
    require,
    same_shape,
    scalar_or_column,
    store,
)
from glia.isa.stream import Instruction
from glia.isa.target import PARTITIONS
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.vector_engine.costs import engine_work, vector_work
from glia.isa.vector_engine.operands import (
    fp32_operand,
    numeric,
    one_of,
    per_partition,
)

_WORDS = 6
_RANGE = "a probability, 0..1"
_GENERATORS = {Engine.gpsimd: 1, Engine.vector: 4}  # per lane
_WEYL = np.uint32(362437)  # XORWOW's counter step
_INTS = ("int8", "int16", "int32", "uint8", "uint16", "uint32")
_UNIFORM_TYPES = (
    "float8_e4m3", "float8_e5m2", "float16", "bfloat16", "float32", "tfloat32", *_INTS,
)  # fmt: skip


def _state(on: Engine) -> NkiTensor:
    """The generators of all lanes of an engine: uint32 [128, 6 per generator]."""
    return current().register_file(f"{on.name} generators", _WORDS * _GENERATORS[on], "uint32")


def seeded(seed: int, words: int) -> np.ndarray:
    """uint32 [128, words] spread from one seed; no two words are alike but by chance."""
    at = np.arange(PARTITIONS * words, dtype=np.uint64).reshape(PARTITIONS, words)
    mixed = at * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed + 1) * np.uint64(0xD1B54A32D192ED03)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return (mixed >> np.uint64(32)).astype(np.uint32)


def xorwow(state: np.ndarray, count: int) -> np.ndarray:
    """`count` words per lane from uint32 [P, 6 g], which moves on: uint32 [P, count].

    Every generator makes one word per turn; those of an unfinished turn are dropped.
    """
    lanes, generators = len(state), state.shape[1] // _WORDS
    x, y, z, w, v, d = np.moveaxis(state.reshape(lanes, generators, _WORDS).copy(), 2, 0)
    turns = np.empty((math.ceil(count / generators), lanes, generators), np.uint32)
    for turn in turns:
        t = x ^ (x >> np.uint32(2))
        x, y, z, w = y, z, w, v
        v = (v ^ (v << np.uint32(4))) ^ (t ^ (t << np.uint32(1)))
        d = d + _WEYL
        np.add(d, v, out=turn)
    state[...] = np.stack((x, y, z, w, v, d), axis=2).reshape(state.shape)
    return np.moveaxis(turns, 0, 1).reshape(lanes, -1)[:, :count]


def _lanes(on: Engine, dst: NkiTensor) -> tuple[NkiTensor, Callable[[np.ndarray], None], bool]:
    """The state of dst's lanes, what to do with it first, and whether something set it before."""
    whole = _state(on)
    start = dst.start_partition
    lanes = whole[start : start + dst.num_partitions]
    known = current().shadow(whole).is_written(lanes)

    def prepare(state: np.ndarray) -> None:
        if not known:
            state[...] = seeded(0, state.shape[1])[start : start + len(state)]

    return lanes, prepare, known


@instruction
def rng(dst: NkiTensor, engine: Engine = Engine.vector, name: str | None = None) -> Instruction:
    """32 random bits per element, of which dst (8, 16 or 32-bit integers) keeps the lowest.

    Cost unpublished: one element per cycle, or the chip's XORWOW rate on its Vector engine. The
    stream is not the hardware's.

    Raises:
        KernelError: for a dst that is no integer, or an engine without a generator.
    """
    what, b = "rng", current()
    on_chip(what, dst=dst)
    one_of(what, "dst", dst, *_INTS)
    allowed = (Engine.vector, Engine.gpsimd) if b.target.can.gpsimd_rng else (Engine.vector,)
    on = pick_engine(what, engine, allowed, dst)
    lanes, prepare, known = _lanes(on, dst)
    rate = b.target.xorwow_rate if on is Engine.vector else 1.0
    work = engine_work(b.target, on, dst.free_size / rate, dst)

    def meaning(out: np.ndarray, state: np.ndarray, *_: np.ndarray) -> None:
        prepare(state)
        bits = xorwow(state, out[0].size).astype(f"u{out.dtype.itemsize}")
        out[...] = bits.view(out.dtype).reshape(out.shape)

    return b.emit(what, on, (dst, lanes), (lanes,) if known else (), work, meaning)


@instruction
def dropout(dst: NkiTensor, data: NkiTensor, prob: Any, name: str | None = None) -> Instruction:
    """`dst = data`, with each element replaced by zero with probability `prob`.

    `prob` is a number or a (P, 1) tile; nothing is scaled. Which elements go is not what hardware
    would choose.

    Raises:
        KernelError: for a dst of another dtype, a number outside 0..1, or a tile of prob that is
            not float32 (any float type where data is float); with values, for one outside 0..1.
    """
    what, b = "dropout", current()
    numeric(what, dst=dst, data=data)
    same_shape(what, dst, data=data)
    require(dst.dtype == data.dtype, f"{what} dst", str(dst.dtype), f"data's {data.dtype}")
    columns = scalar_or_column(what, "prob", prob, data.num_partitions)
    for tile in columns:
        legal = tile.dtype.is_float if data.dtype.is_float else tile.dtype.name == "float32"
        expected = "a float type" if data.dtype.is_float else "float32"
        require(legal, f"{what} prob", str(tile.dtype), expected)
    if not columns and not 0 <= prob <= 1:
        raise refusal(f"{what} prob", f"{prob!r}", _RANGE)
    lanes, prepare, known = _lanes(Engine.vector, data)
    work = vector_work(b.target, data.free_size, dst, data)

    def meaning(out: np.ndarray, state: np.ndarray, x: np.ndarray, *rest: np.ndarray) -> None:
        prepare(state)
        share = column(prob, list(rest[: len(columns)]), 2).astype(np.float64)
        if not np.all((share >= 0) & (share <= 1)):
            raise refusal(f"{what} prob", f"{share[~((share >= 0) & (share <= 1))][0]}", _RANGE)
        threshold = np.rint(share * 2.0**32)
        keep = xorwow(state, x[0].size).reshape(x.shape) >= threshold.reshape(
            -1, *(1,) * (x.ndim - 1)
        )
        out[...] = np.where(keep, x, np.zeros((), x.dtype)).reshape(out.shape)

    reads = (data, *columns, lanes) if known else (data, *columns)
    return b.emit(what, Engine.vector, (dst, lanes), reads, work, meaning)


@instruction
def set_rng_seed(src_seeds: NkiTensor, name: str | None = None) -> Instruction:
    """Seed the Vector engine's generators of all lanes from one 32-bit value [1, 1].

    Raises:
        KernelError: for another shape or a dtype that has not 32 bits.
    """
    what, b = "set_rng_seed", current()
    numeric(what, src_seeds=src_seeds)
    per_partition(what, "src_seeds", src_seeds, 1)
    require(src_seeds.dtype.itemsize == 4, f"{what} src_seeds", str(src_seeds.dtype), "32 bits")
    state = _state(Engine.vector)

    def meaning(out: np.ndarray, seed: np.ndarray) -> None:
        out[...] = seeded(int(seed.reshape(-1).view(np.uint32)[0]), out.shape[1])

    work = vector_work(b.target, 1, src_seeds)
    return b.emit(what, Engine.vector, (state,), (src_seeds,), work, meaning)


def _state_engine(what: str, engine: Engine, view: NkiTensor) -> Engine:
    """The engine whose state is meant, on a chip where it can be moved."""
    can = current().target.can
    allowed: tuple[Engine, ...] = (Engine.gpsimd,) if can.gpsimd_rng else ()
    allowed = (*allowed, Engine.vector) if can.vector_xorwow else allowed
    if not allowed:
        raise refusal(what, current().target.chip, "a chip whose generators can be set")
    on = pick_engine(what, engine, allowed, view)
    one_of(what, "operand", view, "uint32")
    require(view.ndim == 2, f"{what} operand", f"{view.ndim} dims", "2")
    words = _WORDS * _GENERATORS[on]
    per_partition(what, "operand", view, view.num_partitions, words)
    return on


@instruction
def rand_set_state(
    src_seeds: NkiTensor, engine: Engine = Engine.gpsimd, name: str | None = None
) -> Instruction:
    """Set the generators of src_seeds' lanes: uint32 (P, 6) for GpSimd, (P, 24) for Vector.

    Raises:
        KernelError: on a chip or engine without it, for a tile outside SBUF, of another dtype or
            size.
    """
    what, b = "rand_set_state", current()
    on_chip(what, src_seeds=src_seeds)
    in_memory(what, "src_seeds", src_seeds, "sbuf")
    on = _state_engine(what, engine, src_seeds)
    lanes, _, _ = _lanes(on, src_seeds)

    def meaning(state: np.ndarray, seeds: np.ndarray) -> None:
        state[...] = seeds

    work = engine_work(b.target, on, src_seeds.free_size, src_seeds)
    return b.emit(what, on, (lanes,), (src_seeds,), work, meaning)


@instruction
def rand_get_state(
    dst: NkiTensor, engine: Engine = Engine.gpsimd, name: str | None = None
) -> Instruction:
    """Store the generators of dst's lanes: uint32 (P, 6) from GpSimd, (P, 24) from Vector.

    Raises:
        KernelError: on a chip or engine without it, for PSUM on GpSimd, another dtype or size.
    """
    what, b = "rand_get_state", current()
    on_chip(what, dst=dst)
    on = _state_engine(what, engine, dst)
    lanes, prepare, known = _lanes(on, dst)

    def meaning(out: np.ndarray, state: np.ndarray, *_: np.ndarray) -> None:
        prepare(state)
        out[...] = state

    work = engine_work(b.target, on, dst.free_size, dst)
    return b.emit(what, on, (dst, lanes), (lanes,) if known else (), work, meaning)


@instruction
def rand2(dst: NkiTensor, min: Any, max: Any, name: str | None = None) -> Instruction:
    """Uniform float32 numbers of [min, max], converted to dst; bounds are numbers or (P, 1) tiles.

    A number is `min + u * (max - min)` with u the upper 24 bits of a word over 2^24.

    Raises:
        KernelError: on a chip without it, for dtypes that it lacks, bounds that are not float32, or
            numbers with min not below max.
    """
    what, b = "rand2", current()
    if not b.target.can.vector_xorwow:
        raise refusal(what, b.target.chip, "a chip whose Vector engine has XORWOW", "use rng")
    on_chip(what, dst=dst)
    one_of(what, "dst", dst, *_UNIFORM_TYPES)
    low = fp32_operand(what, "min", min, dst.num_partitions)
    high = fp32_operand(what, "max", max, dst.num_partitions)
    if not low and not high:
        require(min < max, f"{what} min", f"{min!r}", f"below max {max!r}")
    lanes, prepare, known = _lanes(Engine.vector, dst)
    work = vector_work(b.target, dst.free_size / b.target.xorwow_rate, dst)

    def meaning(out: np.ndarray, state: np.ndarray, *bounds: np.ndarray) -> None:
        prepare(state)
        cols = list(bounds)
        least, most = column(min, cols, 2), column(max, cols, 2)
        unit = (xorwow(state, out[0].size) >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)
        store(out, least + unit * (most - least))

    reads = (*low, *high, lanes) if known else (*low, *high)
    return b.emit(what, Engine.vector, (dst, lanes), reads, work, meaning)
