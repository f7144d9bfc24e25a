"""Random numbers: XORWOW by its definition, seeds and states, distributions, legality."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import KernelError
from isa.vector_engine.harness import (
    float64,
    normal,
    of,
    psum,
    refused,
    run,
    sbuf,
    traced,
    whole,
)

VECTOR, GPSIMD = nisa.engine.vector, nisa.engine.gpsimd
MASK = 2**32 - 1
words = st.lists(st.integers(0, MASK), min_size=6, max_size=6)


def xorwow(state: list[int]) -> int:
    """One step of Marsaglia's generator on [x, y, z, w, v, d]; the state moves on."""
    x, y, z, w, v, d = state
    t = x ^ (x >> 2)
    v, last = (v ^ (v << 4) & MASK ^ t ^ (t << 1) & MASK) & MASK, v
    d = (d + 362437) & MASK
    state[:] = [y, z, w, last, v, d]
    return (v + d) & MASK


@given(seeds=st.lists(words, min_size=1, max_size=3), count=st.integers(1, 12))
def test_gpsimd_lanes_are_xorwow(seeds: list[list[int]], count: int):
    rows = len(seeds)

    def call(d: Any, after: Any, s: Any) -> None:
        nisa.rand_set_state(s)
        nisa.rng(d, GPSIMD)
        nisa.rand_get_state(after)

    outs = [((rows, count), "uint32"), ((rows, 6), "uint32")]
    got, after = run(call, [np.array(seeds, np.uint32)], outs, chip="gen3")
    for row, state, end in zip(got, seeds, after, strict=True):
        state = list(state)
        assert row.tolist() == [xorwow(state) for _ in range(count)]
        assert end.tolist() == state


@given(seeds=st.lists(words, min_size=4, max_size=4), turns=st.integers(1, 4))
def test_vector_lanes_are_four_xorwow_in_turn(seeds: list[list[int]], turns: int):
    def call(d: Any, after: Any, s: Any) -> None:
        nisa.rand_set_state(s, VECTOR)
        nisa.rng(d)
        nisa.rand_get_state(after, engine=VECTOR)

    flat = np.array(seeds, np.uint32).reshape(1, 24)
    outs = [((1, 4 * turns), "uint32"), ((1, 24), "uint32")]
    got, after = run(call, [flat], outs, chip="gen4")
    states = [list(s) for s in seeds]
    assert got[0].tolist() == [xorwow(s) for _ in range(turns) for s in states]
    assert after.reshape(4, 6).tolist() == states


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "uint16", "int32", "uint32"])
@pytest.mark.parametrize("on", ["vector", "gpsimd"])
def test_rng_keeps_the_lowest_bits(kind: str, on: str):
    def call(d: Any, wide: Any, seed: Any) -> None:
        for tile in (wide, d):
            if on == "vector":
                nisa.set_rng_seed(seed)
            else:
                nisa.rand_set_state(sbuf(128, 6, kind="uint32", fill=77))
            nisa.rng(tile, nisa.engine[on])

    seed = np.array([[123]], np.int32)
    got, wide = run(call, [seed], [((128, 64), kind), ((128, 64), "uint32")], chip="gen3")
    width = 8 * of(kind).itemsize
    assert np.array_equal(got.view(f"u{width // 8}"), wide.astype(np.uint64) % 2**width)


def uniform(array: np.ndarray) -> None:
    """Mean and spread of numbers in [0, 1) within five standard errors."""
    n = array.size
    assert abs(array.mean() - 0.5) < 5 * np.sqrt(1 / 12 / n)
    assert abs(array.var() - 1 / 12) < 5 * np.sqrt(1 / 180 / n)


def test_rng_is_uniform_lanes_and_seeds_differ():
    def call(a: Any, b: Any, c: Any, s: Any) -> None:
        for tile, seed in ((a, s[:, 0:1]), (b, s[:, 1:2]), (c, s[:, 0:1])):
            nisa.set_rng_seed(seed)
            nisa.rng(tile)

    seeds = np.array([[1, 2]], np.uint32)
    a, b, c = run(call, [seeds], [((128, 256), "uint32")] * 3)
    uniform(a / 2.0**32)
    uniform(b / 2.0**32)
    assert np.array_equal(a, c)
    assert len(np.unique(np.concatenate((a, b)))) > 0.999 * 2 * a.size


def test_unseeded_launches_are_alike_and_calls_are_not():
    outs = [((128, 32), "uint32")] * 2
    first, second = (run(lambda a, b: (nisa.rng(a), nisa.rng(b)), [], outs) for _ in range(2))
    assert np.array_equal(first[0], second[0]) and np.array_equal(first[1], second[1])
    assert not np.array_equal(first[0], first[1])


def test_a_saved_state_gives_the_same_numbers_again():
    def call(a: Any, b: Any) -> None:
        state = nl.ndarray((128, 24), nl.uint32, nl.sbuf)
        nisa.rand_get_state(state, VECTOR)
        nisa.rand2(a, 0.0, 1.0)
        nisa.rand_set_state(state, VECTOR)
        nisa.rand2(b, 0.0, 1.0)

    a, b = run(call, [], [((128, 30), "float32")] * 2, chip="gen4")
    assert np.array_equal(a, b)
    uniform(a)


# -- rand2 and dropout -------------------------------------------------------------------------

TYPES = (
    "float8_e4m3", "float8_e5m2", "float16", "bfloat16", "float32", "int8", "int16", "int32",
    "uint8", "uint16", "uint32",
)  # fmt: skip


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("tiles", [False, True])
def test_rand2_stays_in_its_range(kind: str, tiles: bool):
    low, high = (np.linspace(a, b, 128, dtype=np.float32)[:, None] for a, b in ((2, 5), (40, 90)))

    def call(d: Any, a: Any, b: Any) -> None:
        nisa.rand2(d, min=a if tiles else 2.0, max=b if tiles else 40.0)

    (got,) = run(call, [low, high], [((128, 200), kind)], chip="gen4")
    least, most = (low, high) if tiles else (np.float32(2), np.float32(40))
    assert np.all(float64(got) >= float64(np.floor(least).astype(of(kind))))
    assert np.all(float64(got) <= float64(np.ceil(most).astype(of(kind))) * 1.13)
    spread = (float64(got) - least) / (float64(most) - least)
    assert abs(spread.mean() - 0.5) < 0.02 + (0.02 if "8" in kind else 0)


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "float8_e4m3", "int32", "uint8"])
@pytest.mark.parametrize("rate", [0.0, 0.25, 1.0])
def test_dropout(kind: str, rate: float):
    x = whole(128, 256, kind=kind, low=1, high=9)
    (got,) = run(lambda d, t: nisa.dropout(d, t, rate), [x], [(x.shape, kind)])
    kept = float64(got) != 0
    assert np.array_equal(got[kept], x[kept])
    assert abs((~kept).mean() - rate) <= 5 * np.sqrt(rate * (1 - rate) / x.size)


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_dropout_by_partition(kind: str):
    x = np.ones((128, 500), np.float32)
    rates = np.repeat(np.array([0, 0.5, 1, 1], np.float32), 32)[:, None].astype(of(kind))
    (got,) = run(nisa.dropout, [x, rates], [(x.shape, "float32")])
    share = 1 - got.reshape(4, -1).mean(1)
    assert share[[0, 2, 3]].tolist() == [0, 1, 1] and abs(share[1] - 0.5) < 0.02


@pytest.mark.parametrize("bad", [-0.25, 1.5, np.nan])
def test_a_column_of_no_probabilities(bad: float):
    rates = np.full((128, 1), 0.5, np.float32)
    rates[77] = bad
    with pytest.raises(KernelError, match=f"dropout prob: got {bad}, expected a probability"):
        run(nisa.dropout, [np.ones((128, 8), np.float32), rates], [((128, 8), "float32")])


def test_the_seed_decides_who_is_dropped():
    def call(a: Any, b: Any, c: Any, t: Any, s: Any) -> None:
        for tile, seed in ((a, s[:, 0:1]), (b, s[:, 1:2]), (c, s[:, 0:1])):
            nisa.set_rng_seed(seed)
            nisa.dropout(tile, t, 0.5)

    inputs = [normal(128, 64), np.array([[5, 6]], np.uint32)]
    a, b, c = run(call, inputs, [((128, 64), "float32")] * 3)
    assert np.array_equal(a, c) and not np.array_equal(a, b)


def u32(*shape: int) -> Any:
    return sbuf(*shape, kind="uint32")


def drop(**more: Any) -> Any:
    wanted = {"dst": sbuf(8, 8), "data": sbuf(8, 8), "prob": 0.5, **more}
    return nisa.dropout(**wanted)


Rule = tuple[str, Callable[[], Any], str, str]
RULES: list[Rule] = [
    ("rng of floats", lambda: nisa.rng(sbuf(8, 8)), "rng dst", "trn3"),
    ("rng in psum", lambda: nisa.rng(psum(8, 8, kind="int32"), GPSIMD), "access PSUM", "trn2"),
    ("rng on gpsimd", lambda: nisa.rng(u32(8, 8), GPSIMD), "one of vector", "trn1"),
    ("rng on scalar", lambda: nisa.rng(u32(8, 8), nisa.engine.scalar), "engine scalar", "trn2"),
    ("seed size", lambda: nisa.set_rng_seed(u32(1, 2)), r"\(1, 1\)", "trn2"),
    ("seed rows", lambda: nisa.set_rng_seed(u32(2, 1)), r"\(1, 1\)", "trn2"),
    ("seed of 16 bits", lambda: nisa.set_rng_seed(sbuf(1, 1, kind="uint16")), "32 bits", "trn2"),
    ("set on trn1", lambda: nisa.rand_set_state(u32(8, 6)), "can be set", "trn1"),
    ("get on trn1", lambda: nisa.rand_get_state(u32(8, 6)), "can be set", "trn1"),
    ("set on vector", lambda: nisa.rand_set_state(u32(8, 24), VECTOR), "one of gpsimd", "trn2"),
    ("set of 24", lambda: nisa.rand_set_state(u32(8, 24)), r"\(8, 6\)", "trn2"),
    ("set of 6", lambda: nisa.rand_set_state(u32(8, 6), VECTOR), r"\(8, 24\)", "trn3"),
    ("set of ints", lambda: nisa.rand_set_state(sbuf(8, 6, kind="int32")), "uint32", "trn2"),
    ("set of 3 dims", lambda: nisa.rand_set_state(u32(8, 2, 3)), "expected 2", "trn2"),
    ("set from psum", lambda: nisa.rand_set_state(psum(8, 24, kind="uint32"), VECTOR), "sbuf",
     "trn3"),
    ("get to psum", lambda: nisa.rand_get_state(psum(8, 6, kind="uint32")), "cannot access PSUM",
     "trn3"),
    ("get of 5", lambda: nisa.rand_get_state(u32(8, 5)), r"\(8, 6\)", "trn2"),
    ("rand2 on trn2", lambda: nisa.rand2(sbuf(8, 8), 0.0, 1.0), "use rng", "trn2"),
    ("rand2 range", lambda: nisa.rand2(sbuf(8, 8), 1.0, 1.0), "below max", "trn3"),
    ("rand2 kind", lambda: nisa.rand2(sbuf(8, 8, kind="float8_e4m3fn"), 0.0, 1.0), "rand2 dst",
     "trn3"),
    ("rand2 bound", lambda: nisa.rand2(sbuf(8, 8), sbuf(8, 1, kind="bfloat16"), 1.0), "float32",
     "trn3"),
    ("dropout kind", lambda: drop(dst=sbuf(8, 8, kind="bfloat16")), "data's float32", "trn2"),
    ("dropout shape", lambda: drop(dst=sbuf(8, 9)), "dst's shape", "trn2"),
    ("dropout above 1", lambda: drop(prob=1.5), "a probability", "trn2"),
    ("dropout of nan", lambda: drop(prob=float("nan")), "a probability", "trn2"),
    ("dropout tile", lambda: drop(prob=sbuf(8, 2)), r"\(8, 1\)", "trn2"),
    ("dropout tile of ints", lambda: drop(prob=sbuf(8, 1, kind="int32")), "a float type", "trn2"),
    ("dropout of ints", lambda: drop(
        dst=sbuf(8, 8, kind="int8"), data=sbuf(8, 8, kind="int8"),
        prob=sbuf(8, 1, kind="bfloat16")), "float32", "trn2"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "message", "chip"), [r[1:] for r in RULES], ids=[r[0] for r in RULES]
)
def test_refused(body: Callable[[], Any], message: str, chip: str):
    refused(body, message, chip)


def test_vector_state_may_go_to_psum():
    traced(lambda: nisa.rand_get_state(psum(8, 24, kind="uint32"), VECTOR), "trn3")


def test_cycles():
    def body() -> None:
        nisa.rng(u32(128, 512))
        nisa.rng(u32(128, 512), GPSIMD)
        nisa.dropout(sbuf(128, 512), sbuf(128, 512), 0.5)

    def found(chip: str, also: Callable[[], Any] = lambda: None) -> list[float]:
        made = traced(lambda: (body(), also()), chip)
        return [i.work.cycles for i in made if i.op != "memset"]

    assert found("trn2") == [512, 512, 512]
    assert found("trn3", lambda: nisa.rand2(sbuf(128, 512), 0.0, 1.0)) == [128, 512, 512, 128]
