"""Copies, fills, predicated copies and shuffles: bits, conversions, quadrants, legality."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import glia.nki.isa as nisa
import glia.nki.language as nl
from isa.vector_engine.harness import (
    FLOATS,
    normal,
    of,
    psum,
    refused,
    run,
    sbuf,
    traced,
    whole,
)

KINDS = (*FLOATS, "float8_e4m3fn", "int8", "int16", "int32", "uint8", "uint16", "uint32")
TORCH = {
    "bfloat16": torch.bfloat16, "float16": torch.float16, "float8_e5m2": torch.float8_e5m2,
}  # fmt: skip


@pytest.mark.parametrize("kind", [*KINDS, "bool", "float8_e4m3fn_x4"])
@pytest.mark.parametrize("on", ["vector", "gpsimd", "scalar"])
def test_copy_of_one_dtype_keeps_the_bits(kind: str, on: str):
    bits = np.random.default_rng(5).integers(0, 256, (64, 48), dtype=np.uint8)
    if kind == "bool":
        bits &= 1
    x = bits.view(of(kind))
    call = lambda d, t: nisa.tensor_copy(d, t, engine=nisa.engine[on])  # noqa: E731
    chip = "gen4" if kind.endswith("_x4") else "gen3"
    (got,) = run(call, [x], [(x.shape, kind)], chip=chip)
    assert got.tobytes() == x.tobytes()


@pytest.mark.parametrize("kind", sorted(TORCH))
def test_copy_rounds_to_nearest_even(kind: str):
    x = normal(128, 200, scale=10)
    (got,) = run(nisa.tensor_copy, [x], [(x.shape, kind)])
    assert np.array_equal(got.astype(np.float32), torch.from_numpy(x).to(TORCH[kind]).float())


@pytest.mark.parametrize("kind", ["int8", "int16", "int32", "uint8", "uint16", "uint32"])
def test_copy_to_integers_rounds_and_saturates(kind: str):
    x = np.array([[0.5, 1.5, 2.5, -0.5, -1.5, 1e12, -1e12, np.inf, -np.inf, 100.4]], np.float32)
    limits = np.iinfo(kind)
    ends = [limits.max, limits.min, limits.max, limits.min]
    expected = [0, 2, 2, 0, max(-2, limits.min), *ends, 100]
    (got,) = run(nisa.tensor_copy, [x], [(x.shape, kind)])
    assert got.tolist() == [expected]


def test_copy_between_integers_passes_through_float32():
    x = np.array([[2**24 + 1, -(2**24) - 1, 300, -7]], np.int32)
    (got,) = run(nisa.tensor_copy, [x], [(x.shape, "uint32")])
    assert got.tolist() == [[2**24, 0, 300, 0]]


@given(
    step=st.integers(1, 3), start=st.integers(0, 5), flipped=st.booleans(), seed=st.integers(0, 99)
)
def test_copy_of_views(step: int, start: int, flipped: bool, seed: int):
    x = normal(32, 6, 20, seed=seed)
    expected = x[:, :, start:18:step].transpose(0, 2, 1) if flipped else x[:, :, start:18:step]

    def call(d: Any, t: Any) -> None:
        view = t[:, :, start:18:step]
        nisa.tensor_copy(d, view.permute((0, 2, 1)) if flipped else view)

    (got,) = run(call, [x], [(expected.shape, "float32")])
    assert np.array_equal(got, expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0, 3, 96])
def test_memset(kind: str, value: int):
    for memory in (False, True):
        call = lambda d: nisa.memset(d, value)  # noqa: E731
        (got,) = run(call, [], [((128, 40), kind)], psum=memory)
        assert np.all(got.astype(np.float64) == value)


def test_memset_of_ends_and_formats_without_zero():
    (got,) = run(lambda d: nisa.memset(d, 2**32 - 1), [], [((4, 4), "uint32")])
    assert np.all(got == 2**32 - 1)
    (got,) = run(lambda d: nisa.memset(d, -np.inf), [], [((4, 4), "bfloat16")])
    assert np.all(np.isneginf(got.astype(np.float32)))
    (got,) = run(lambda d: nisa.memset(d, 0), [], [((4, 4), "float8_e8m0fnu")])
    assert not got.view(np.uint8).any()
    (got,) = run(lambda d: nisa.memset(d, 1.0), [], [((4, 4), "float8_e8m0fnu")])
    assert np.all(got.view(np.uint8) == 127)
    (got,) = run(lambda d: nisa.memset(d, 0.0), [], [((4, 4), "float8_e5m2_x4")])
    assert not any(got.tobytes())


# -- predicated --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*KINDS, "float8_e4m3fn_x4"])
@pytest.mark.parametrize("predicate", ["uint8", "uint16", "uint32"])
@pytest.mark.parametrize("reverse", [False, True])
def test_predicated_tile(kind: str, predicate: str, reverse: bool):
    bits = np.random.default_rng(5).integers(0, 100, (2, 64, 32), dtype=np.uint8)
    x, y = bits.view(of(kind))
    pred = whole(*x.shape, kind=predicate, low=0, high=3)

    def call(d: Any, s: Any, t: Any, p: Any) -> None:
        nisa.tensor_copy(d, t)
        nisa.tensor_copy_predicated(d, s, p, reverse_pred=reverse)

    (got,) = run(call, [x, y, pred], [(x.shape, kind)])
    assert got.tobytes() == np.where((pred != 0) != reverse, x, y).tobytes()


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "int32", "uint8"])
def test_predicated_number(kind: str):
    y, pred = whole(64, 20, kind=kind, low=0), whole(64, 20, kind="uint8", low=0, high=2)

    def call(d: Any, t: Any, p: Any) -> None:
        nisa.tensor_copy(d, t)
        nisa.tensor_copy_predicated(dst=d, src=5, predicate=p)

    (got,) = run(call, [y, pred], [(y.shape, kind)])
    assert np.array_equal(got, np.where(pred != 0, np.array(5, of(kind)), y))


# -- shuffle -----------------------------------------------------------------------------------


@given(
    mask=st.lists(st.sampled_from([*range(32), 255]), min_size=32, max_size=32),
    rows=st.sampled_from([32, 64, 128]), in_place=st.booleans(), seed=st.integers(0, 99),
    kind=st.sampled_from(["float32", "bfloat16", "uint8"]),
)  # fmt: skip
def test_shuffle(mask: list[int], rows: int, in_place: bool, seed: int, kind: str):
    x, before = whole(rows, 6, kind=kind, low=0, seed=seed), whole(rows, 6, kind=kind, low=0)

    def call(d: Any, t: Any, b: Any) -> None:
        nisa.tensor_copy(d, t if in_place else b)
        nisa.nc_stream_shuffle(d, d if in_place else t, mask)

    (got,) = run(call, [x, before], [(x.shape, kind)])
    for p in range(rows):
        m = mask[p % 32]
        kept = x[p] if in_place else before[p]
        assert np.array_equal(got[p], kept if m == 255 else x[p // 32 * 32 + m])


def test_shuffle_spreads_one_partition():
    (got,) = run(
        lambda d, t: nisa.nc_stream_shuffle(dst=d, src=t, shuffle_mask=[0] * 32),
        [normal(1, 40)], [((32, 40), "float32")],
    )  # fmt: skip
    assert np.array_equal(got, np.repeat(normal(1, 40), 32, axis=0))


def test_shuffle_that_keeps_all():
    def call(d: Any, t: Any) -> None:
        nisa.tensor_copy(d, t)
        nisa.nc_stream_shuffle(d, t, [255] * 32)

    (got,) = run(call, [normal(32, 4)], [((32, 4), "float32")])
    assert np.array_equal(got, normal(32, 4))


def test_shuffle_between_quadrants_and_memories():
    x = normal(128, 8)

    def call(d: Any, t: Any) -> None:
        nisa.memset(d, 0)
        nisa.nc_stream_shuffle(d[96:128], t[32:64], list(range(31, -1, -1)))

    (got,) = run(call, [x], [((128, 8), "float32")], psum=True)
    assert np.array_equal(got[96:], x[32:64][::-1]) and not got[:96].any()


IDENTITY = list(range(32))


def test_shuffle_leaves_alone_what_it_keeps():
    """Partition 16 of each quadrant goes to its first; nothing else is read, written or defined."""

    def made(last: int) -> None:
        tile = nl.ndarray((64, 4), nl.float32, nl.sbuf)
        nisa.dma_copy(tile[16:17], sbuf(1, 4))
        nisa.dma_copy(tile[48:49], sbuf(1, 4))
        nisa.nc_stream_shuffle(tile, tile, [16] + [255] * 31)
        nisa.reciprocal(sbuf(last, 4), tile[0:last])

    traced(lambda: made(1))
    refused(lambda: made(2), "never written")
    traced(lambda: shuffle(dst=unwritten(32, 4), mask=[255] * 32))


def test_shuffle_of_a_partition_never_written_defines_nothing():
    """The other quadrants get theirs (nki-library, find_nonzero_indices with few columns)."""

    def made(first: int) -> None:
        tile = nl.ndarray((64, 4), nl.float32, nl.sbuf)
        nisa.dma_copy(tile[16:17], sbuf(1, 4))
        nisa.memset(tile[32:33], 0)
        nisa.nc_stream_shuffle(tile, tile, [16] + [255] * 31)
        nisa.reciprocal(sbuf(1, 4), tile[first : first + 1])

    traced(lambda: made(0))
    refused(lambda: made(32), "never written")
    refused(lambda: shuffle(src=unwritten(32, 4)), "never written")


def shuffle(dst: Any = None, src: Any = None, mask: Any = IDENTITY) -> Any:
    dst = sbuf(32, 4) if dst is None else dst
    return nisa.nc_stream_shuffle(dst, sbuf(32, 4) if src is None else src, mask)


def predicated(dst: Any = None, src: Any = 1.0, predicate: Any = None) -> Any:
    dst = sbuf(8, 8) if dst is None else dst
    predicate = sbuf(8, 8, kind="uint8") if predicate is None else predicate
    return nisa.tensor_copy_predicated(dst, src, predicate)


def unwritten(*shape: int) -> Any:
    return nl.ndarray(shape, nl.float32, nl.sbuf)


RULES: list[tuple[str, Callable[[], Any], str]] = [
    ("copy shape", lambda: nisa.tensor_copy(sbuf(8, 8), sbuf(8, 9)), "dst's shape"),
    ("copy on tensor", lambda: nisa.tensor_copy(sbuf(8, 8), sbuf(8, 8), nisa.engine.tensor),
     "engine tensor"),
    ("copy on gpsimd", lambda: nisa.tensor_copy(psum(8, 8), sbuf(8, 8), nisa.engine.gpsimd),
     "GpSimd cannot access PSUM"),
    ("packed conversion", lambda: nisa.tensor_copy(sbuf(8, 8, kind="float8_e4m3fn_x4"), sbuf(8, 8)),
     "single numbers"),
    ("memset range", lambda: nisa.memset(sbuf(8, 8, kind="int8"), 128), r"-128\.\.127"),
    ("memset infinity", lambda: nisa.memset(sbuf(8, 8, kind="int8"), np.inf), "whole number"),
    ("memset packed", lambda: nisa.memset(sbuf(8, 8, kind="float8_e4m3fn_x4"), 1), "expected 0"),
    ("memset text", lambda: nisa.memset(sbuf(8, 8), "1"), "a number"),
    ("memset engine", lambda: nisa.memset(sbuf(8, 8), 1, nisa.engine.scalar), "one of vector"),
    ("predicate kind", lambda: predicated(predicate=sbuf(8, 8, kind="int8")), "uint8, uint16"),
    ("predicate shape", lambda: predicated(predicate=sbuf(8, 9, kind="uint8")), "dst's shape"),
    ("source kind", lambda: predicated(src=sbuf(8, 8, kind="bfloat16")), "dst's float32"),
    ("source shape", lambda: predicated(src=sbuf(8, 9)), "dst's shape"),
    ("source and predicate in psum",
     lambda: predicated(src=psum(8, 8), predicate=psum(8, 8, kind="uint8")), "both inputs in PSUM"),
    ("source number", lambda: predicated(dst=sbuf(8, 8, kind="uint8"), src=-1), r"0\.\.255"),
    ("dst never written", lambda: predicated(dst=unwritten(8, 8)), "never written"),
    ("mask of 31", lambda: shuffle(mask=IDENTITY[:31]), "32 partitions"),
    ("mask of 32", lambda: shuffle(mask=[32] * 32), "32 partitions"),
    ("mask below 0", lambda: shuffle(mask=[-1] * 32), "32 partitions"),
    ("mask of floats", lambda: shuffle(mask=[0.0] * 32), "whole number"),
    ("shuffle kinds", lambda: shuffle(src=sbuf(32, 4, kind="bfloat16")), "dst's float32"),
    ("shuffle sizes", lambda: shuffle(src=sbuf(32, 5)), "dst's 4"),
    ("partition that src lacks", lambda: shuffle(src=sbuf(8, 4)), r"0\.\.7"),
    ("first partition that src lacks", lambda: shuffle(src=sbuf(8, 4), mask=[8] * 32),
     r"partition 8 of src"),
    ("quadrant that src lacks", lambda: shuffle(dst=sbuf(64, 4)), r"0\.\.31"),
    ("takes what was never written", lambda: shuffle(src=unwritten(32, 4)), "never written"),
    ("start of two quadrants", lambda: shuffle(
        dst=sbuf(64, 4), src=sbuf(128, 4)[32:40], mask=[0] * 32), "multiple of 64"),
    ("start of three quadrants", lambda: shuffle(
        dst=sbuf(128, 4)[64:72], src=sbuf(96, 4), mask=[0] * 32), "expected 0"),
    ("transpose of 33", lambda: nisa.nc_transpose(
        sbuf(32, 33), sbuf(33, 32), engine=nisa.engine.vector), "32 x 32"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "body", "message"), RULES, ids=[r[0] for r in RULES])
def test_refused(name: str, body: Callable[[], Any], message: str):
    refused(body, message, "trn3" if "packed" in name else "trn2")


def test_scalar_engine_copies_where_it_can():
    refused(
        lambda: nisa.tensor_copy(sbuf(8, 8), sbuf(8, 8), engine=nisa.engine.scalar),
        "one of vector, gpsimd", "trn1",
    )  # fmt: skip


def cycles(body: Callable[[], Any], chip: str) -> float:
    return traced(body, chip)[-1].work.cycles


@pytest.mark.parametrize(
    ("chip", "kind", "strided", "expected"),
    [
        ("trn1", "bfloat16", False, 512), ("trn2", "bfloat16", False, 128),
        ("trn2", "bfloat16", True, 256), ("trn2", "float32", False, 256),
        ("trn2", "int8", False, 512), ("trn3", "float16", False, 128),
    ],
)  # fmt: skip
def test_copy_cycles(chip: str, kind: str, strided: bool, expected: float):
    def body() -> None:
        source = sbuf(128, 1024, kind=kind)
        view = source[:, ::2] if strided else source[:, :512]
        nisa.tensor_copy(sbuf(128, 512, kind=kind), view)

    assert cycles(body, chip) == expected


def test_an_offset_read_at_run_time_costs_more():
    def body() -> None:
        source, at = sbuf(128, 512), sbuf(1, 1, kind="uint32")
        view = source.ap([[512, 128], [1, 64]], scalar_offset=at, indirect_dim=1)
        nisa.tensor_copy(sbuf(128, 64), view)

    assert cycles(body, "trn2") == 600


def test_more_cycles():
    two_byte, pred = {"kind": "bfloat16"}, {"kind": "uint8"}
    copy = nisa.tensor_copy
    assert (
        cycles(lambda: copy(psum(128, 512, **two_byte), sbuf(128, 512, **two_byte)), "trn2") == 256
    )
    assert cycles(lambda: sbuf(128, 512, **two_byte), "trn1") == 256
    assert cycles(lambda: sbuf(128, 512, **two_byte, fill=1), "trn1") == 512
    assert cycles(lambda: sbuf(128, 10), "trn2") == 64

    def on_scalar() -> Any:
        tiles = (sbuf(128, 512, **two_byte) for _ in range(2))
        return copy(*tiles, engine=nisa.engine.scalar)

    assert [cycles(on_scalar, chip) for chip in ("trn2", "trn3")] == [512, 256]
    masked = lambda *s: nisa.tensor_copy_predicated(sbuf(128, 512), *s)  # noqa: E731
    assert cycles(lambda: masked(sbuf(128, 512), sbuf(128, 512, **pred)), "trn2") == 1024
    assert cycles(lambda: masked(psum(128, 512), sbuf(128, 512, **pred)), "trn2") == 512
    assert cycles(lambda: masked(1.0, sbuf(128, 512, **pred)), "trn2") == 512
    assert cycles(lambda: shuffle(sbuf(32, 512), sbuf(32, 512)), "trn2") == 512
