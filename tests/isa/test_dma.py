"""DMA instructions against NumPy: gathers, scatters, transposes, sums; one refusal per rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.isa.kernels import Bench, refuses

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.dtypes import dtype
from glia.core.errors import KernelError
from glia.isa.tensors.tensor import NkiTensor

RNG = np.random.default_rng(3)
BF16 = dtype("bfloat16").numpy
Body = Callable[..., Any]


def floats(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def column(bench: Bench, name: str) -> NkiTensor:
    """An input of shape (P, 1), in SBUF."""
    return bench.loaded(name)


# -- copies --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("src", "dst"),
    [("hbm", "sbuf"), ("sbuf", "hbm"), ("hbm", "hbm"), ("sbuf", "sbuf")],
)
def test_copies_between_memories(src: str, dst: str):
    data = floats(64, 24)
    bench = Bench(x=data)
    with bench:
        source = bench["x"] if src == "hbm" else bench.loaded("x")
        made = bench.new((64, 24), np.float32, dst)
        nisa.dma_copy(made, source)
    assert np.array_equal(bench.run(made), data)


def test_options_by_number():
    """Kernels written for NKI 0.3 say `dge_mode=3`."""
    bench = Bench(x=floats(4, 8))
    with bench:
        tile = bench.new((4, 8), np.float32)
        made = nisa.dma_copy(tile, bench["x"], dge_mode=1, oob_mode=0)
    assert made.work.dma is not None
    assert made.work.dma.software
    assert np.array_equal(bench.run(tile), bench.inputs["x"])


def test_unequal_shapes_of_one_total():
    data = floats(6, 32)
    bench = Bench(x=data)
    with bench:
        tile = bench.new((3, 64), np.float32, "sbuf")
        nisa.dma_copy(tile, bench["x"].reshape((3, 64)).reshape((3, 2, 32)))
    assert np.array_equal(bench.run(tile), data.reshape(3, 64))


def test_casts_through_float32():
    whole = np.array([[2**24 + 1, -5, 7]], np.int32)
    bench = Bench(x=whole)
    with bench:
        made = bench.new((1, 3), np.int32, "hbm")
        half = bench.new((1, 3), np.float32, "hbm")
        nisa.dma_copy(half, bench["x"])
        nisa.dma_copy(made, half)
    assert bench.run(made).tolist() == [[2**24, -5, 7]]


@settings(max_examples=30)
@given(st.data())
def test_gathers_as_numpy_takes(data: st.DataObject):
    rows, width, count = (data.draw(st.integers(1, n)) for n in (40, 9, 32))
    first = data.draw(st.integers(0, width - 1))
    skip = data.draw(st.booleans())
    high = rows + 5 if skip else rows - 1
    numbers = np.array(data.draw(st.lists(st.integers(0, high), min_size=count, max_size=count)))
    table, before = floats(rows, width), floats(count, width - first)
    bench = Bench(t=table, i=numbers.reshape(count, 1).astype(np.int32), b=before)
    with bench:
        index, out = bench.loaded("i"), bench.loaded("b")
        picked = bench["t"].ap([[width, count], [1, width - first]], first, vector_offset=index)
        oob = nisa.oob_mode.skip if skip else nisa.oob_mode.error
        nisa.dma_copy(out, picked, oob_mode=oob)
    expected = before.copy()
    inside = numbers < rows
    expected[inside] = table[numbers[inside], first:]
    assert np.array_equal(bench.run(out), expected)


@settings(max_examples=30)
@given(st.data())
def test_scatters_as_numpy_assigns(data: st.DataObject):
    rows, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 9))
    count = data.draw(st.integers(1, min(rows, 32)))
    numbers = np.array(data.draw(st.permutations(range(rows))))[:count]
    update, before = floats(count, width), floats(rows, width)
    bench = Bench(u=update, i=numbers.reshape(count, 1).astype(np.uint32), b=before)
    with bench:
        out = bench.new((rows, width), np.float32, "hbm")
        nisa.dma_copy(out, bench["b"])
        nisa.dma_copy(out.vector_select(0, bench.loaded("i")), bench.loaded("u"))
    expected = before.copy()
    expected[numbers] = update
    assert np.array_equal(bench.run(out), expected)


def test_scatter_out_of_bounds_skips_or_fails():
    numbers = np.array([[0], [-1], [9]], np.int32)
    for oob in nisa.oob_mode:
        bench = Bench(u=floats(3, 4), i=numbers)
        with bench:
            out = bench.new((2, 4), np.float32, "hbm")
            nisa.dma_copy(out, bench["u"][0:2])
            nisa.dma_copy(out.vector_select(0, bench.loaded("i")), bench["u"], oob_mode=oob)
        if oob is nisa.oob_mode.error:
            with pytest.raises(KernelError, match=r"row -1, expected 0\.\.1"):
                bench.run(out)
        else:
            assert np.array_equal(bench.run(out), bench.inputs["u"][[0, 1]])


def test_rows_that_would_leave_the_tensor_are_out_of_bounds():
    """An offset inside the row pushes the last rows over the end (num_rows shrinks)."""
    bench = Bench(t=floats(4, 8), i=np.array([[3]], np.int32))
    with bench:
        out = bench.new((1, 8), np.float32, "sbuf")
        picked = bench["t"].ap([[8, 1], [1, 8]], 4, vector_offset=bench.loaded("i"))
        nisa.dma_copy(out, picked)
    with pytest.raises(KernelError, match=r"row 3, expected 0\.\.2"):
        bench.run(out)


@pytest.mark.parametrize("start", [0, 2, 3])
def test_scalar_offset_of_the_destination(start: int):
    data = floats(2, 4)
    bench = Bench(x=data, s=np.array([[start]], np.int32), z=np.zeros((5, 4), np.float32))
    with bench:
        out = bench.new((5, 4), np.float32, "hbm")
        nisa.dma_copy(out, bench["z"])
        nisa.dma_copy(out.ap([[4, 2], [1, 4]], scalar_offset=bench.loaded("s")), bench["x"])
    expected = np.zeros((5, 4), np.float32)
    expected[start : start + 2] = data
    assert np.array_equal(bench.run(out), expected)


def test_scalar_offset_out_of_bounds_is_skipped_when_asked():
    bench = Bench(x=floats(2, 4), s=np.array([[9]], np.int32), z=np.zeros((5, 4), np.float32))
    with bench:
        out = bench.new((5, 4), np.float32, "hbm")
        nisa.dma_copy(out, bench["z"])
        there = out.ap([[4, 2], [1, 4]], scalar_offset=bench.loaded("s"))
        nisa.dma_copy(there, bench["x"], oob_mode=nisa.oob_mode.skip)
    assert not bench.run(out).any()


# -- transposes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((40, 24), (1, 0)), ((5, 7, 16), (2, 1, 0)), ((6, 2, 3, 20), (3, 1, 2, 0))],
)
@pytest.mark.parametrize("memory", ["hbm", "sbuf"])
@pytest.mark.parametrize("kind", [np.float32, BF16])
def test_transposes(shape: tuple[int, ...], axes: tuple[int, ...], memory: str, kind: Any):
    data = floats(*shape).astype(kind)
    bench = Bench(x=data)
    with bench:
        source = bench["x"] if memory == "hbm" else bench.loaded("x")
        out = bench.new(tuple(shape[a] for a in axes), kind, "sbuf")
        made = nisa.dma_transpose(out, source)
    assert made.work.dma is not None
    assert made.work.dma.transpose
    assert np.array_equal(bench.run(out), data.transpose(axes))


@pytest.mark.parametrize("columns", [1, 2])
def test_indirect_transpose_reads_indices_down_their_columns(columns: int):
    rows = 128 * columns - 16
    table = floats(300, 32).astype(BF16)
    numbers = RNG.integers(0, 300, (128, columns)).astype(np.uint32)
    bench = Bench(t=table, i=numbers)
    with bench:
        out = bench.new((32, rows), BF16, "sbuf")
        picked = bench["t"].ap([[32, rows], [1, 32]], vector_offset=bench.loaded("i"))
        nisa.dma_transpose(out, picked, axes=(1, 0))
    assert np.array_equal(bench.run(out), table[numbers.T.reshape(-1)[:rows]].T)


def test_indirect_transpose_of_four_dims():
    table = floats(50, 1, 3, 16).astype(BF16)
    numbers = RNG.integers(0, 50, (32, 1)).astype(np.uint32)
    bench = Bench(t=table, i=numbers)
    with bench:
        out = bench.new((16, 1, 3, 32), BF16, "sbuf")
        nisa.dma_transpose(out, bench["t"].vector_select(0, bench.loaded("i")))
    assert np.array_equal(bench.run(out), table[numbers[:, 0]].transpose(3, 1, 2, 0))


# -- sums ---------------------------------------------------------------------------


def test_sums_in_float32_of_mixed_types():
    parts = [floats(8, 12), floats(8, 12).astype(BF16), floats(8, 12)]
    bench = Bench(a=parts[0], b=parts[1], c=parts[2])
    with bench:
        out = bench.new((8, 12), BF16, "sbuf")
        sources = [bench["a"], bench.loaded("b"), bench["c"]]
        made = nisa.dma_compute(out, sources, nl.add, scales=[1.0, 1.0, 1.0])
    total = (parts[0] + parts[1].astype(np.float32)) + parts[2]
    assert np.array_equal(bench.run(out), total.astype(BF16))
    assert made.work.dma is not None
    assert made.work.dma.hbm_read_bytes == 2 * 8 * 12 * 4


def test_scatter_add_updates_rows():
    before, update = floats(10, 6), floats(4, 6)
    numbers = np.array([[7], [0], [3], [9]], np.int32)
    bench = Bench(b=before, u=update, i=numbers)
    with bench:
        out = bench.new((10, 6), np.float32, "hbm")
        nisa.dma_copy(out, bench["b"])
        there = out.vector_select(0, bench.loaded("i"))
        made = nisa.dma_compute(there, [there, bench.loaded("u")], nl.add)
    expected = before.copy()
    expected[numbers[:, 0]] += update
    assert np.array_equal(bench.run(out), expected)
    assert made.work.dma is not None
    assert made.work.dma.software


def test_scatter_add_refuses_a_row_twice():
    bench = Bench(b=floats(10, 6), u=floats(2, 6), i=np.array([[4], [4]], np.int32))
    with bench:
        out = bench.new((10, 6), np.float32, "hbm")
        nisa.dma_copy(out, bench["b"])
        there = out.vector_select(0, bench.loaded("i"))
        nisa.dma_compute(there, [there, bench.loaded("u")], nl.add)
    with pytest.raises(KernelError, match="row 4 twice"):
        bench.run(out)


def test_gather_add_skips_what_is_out_of_bounds():
    table, before = floats(5, 6), floats(3, 6)
    bench = Bench(t=table, b=before, i=np.array([[4], [99], [4]], np.int32))
    with bench:
        out = bench.loaded("b")
        rows = bench["t"].vector_select(0, bench.loaded("i"))
        nisa.dma_compute(out, [rows, out], nl.add, oob_mode=nisa.oob_mode.skip)
    expected = before.copy()
    expected[[0, 2]] += table[4]
    assert np.array_equal(bench.run(out), expected)


# -- legality ---------------------------------------------------------------------------


def hbm(*shape: int, kind: str = "float32") -> NkiTensor:
    tensor = nl.ndarray(shape, kind, buffer=nl.shared_hbm)
    tile = sbuf(1, 1, kind=kind)
    nisa.dma_copy(tensor, tile.ap([[1, 1], *([0, n] for n in shape)]))
    return tensor


def sbuf(*shape: int, kind: str = "float32") -> NkiTensor:
    tile = nl.ndarray(shape, kind, buffer=nl.sbuf)
    nisa.memset(tile, 0)
    return tile


def rows(table: NkiTensor, count: int, columns: int = 1, kind: str = "uint32") -> NkiTensor:
    return table.ap(
        [[s, n] for s, n in zip(table.strides, (count, *table.shape[1:]), strict=True)],
        vector_offset=sbuf(min(count, 128), columns, kind=kind),
    )


HW, SW, STATIC = nisa.dge_mode.hwdge, nisa.dge_mode.swdge, nisa.dge_mode.none

COPIES: list[tuple[str, Body, str]] = [
    ("psum", lambda: nisa.dma_copy(hbm(8, 8), nl.ndarray((8, 8), "float32", nl.psum)),
     "copy PSUM to SBUF"),
    ("totals", lambda: nisa.dma_copy(sbuf(8, 8), hbm(8, 9)), "equal numbers of elements"),
    ("priority", lambda: nisa.dma_copy(sbuf(8, 8), hbm(8, 8), priority=1), "priority on trn2"),
    ("oob", lambda: nisa.dma_copy(sbuf(8, 8), hbm(8, 8), oob_mode=2), "oob_mode 2"),
    ("mode", lambda: nisa.dma_copy(sbuf(8, 8), hbm(8, 8), dge_mode=7), "dge_mode 7"),
    ("hwdge cast", lambda: nisa.dma_copy(sbuf(8, 8, kind="bfloat16"), hbm(8, 8), dge_mode=HW),
     "hwdge with a cast"),
    ("hwdge engine", lambda: nisa.dma_copy(
        sbuf(8, 8), hbm(8, 8), dge_mode=HW, engine=nisa.engine.vector), "sync or scalar"),
    ("engine alone", lambda: nisa.dma_copy(sbuf(8, 8), hbm(8, 8), engine=nisa.engine.sync),
     "only with dge_mode.hwdge"),
    ("hwdge rows", lambda: nisa.dma_copy(sbuf(8, 8), rows(hbm(9, 8), 8), dge_mode=HW),
     "swdge or unknown"),
    ("static address", lambda: nisa.dma_copy(
        sbuf(8, 8), hbm(9, 8, 8).select(0, sbuf(1, 1, kind="int32")), dge_mode=STATIC),
     "run-time address with dge_mode none"),
    ("rows on both sides", lambda: nisa.dma_copy(rows(hbm(9, 8), 8), rows(hbm(9, 8), 8)),
     "on one side"),
    ("row numbers", lambda: nisa.dma_copy(sbuf(8, 8), hbm(9, 8).ap(
        [[8, 8], [1, 8]], vector_offset=sbuf(4, 2, kind="int32"))), "one per row"),
    ("six dims", lambda: nisa.dma_copy(
        hbm(64), hbm(4, 4, 4, 4, 4, 4)[::2, ::2, ::2, ::2, ::2, ::2]), "6 dims"),
]  # fmt: skip

TRANSPOSES: list[tuple[str, Body, str]] = [
    ("dst", lambda: nisa.dma_transpose(hbm(8, 8), hbm(8, 8)), "a tile in SBUF"),
    ("axes", lambda: nisa.dma_transpose(sbuf(8, 8), hbm(8, 8), axes=(0, 1)), "axes"),
    ("shape", lambda: nisa.dma_transpose(sbuf(8, 16), hbm(8, 16)), r"\(16, 8\)"),
    ("rank", lambda: nisa.dma_transpose(sbuf(8, 1, 16), hbm(16, 8)), r"\(8, 16\)"),
    ("one dim", lambda: nisa.dma_transpose(sbuf(8, 1), hbm(8)), "2, 3 or 4"),
    ("dtype", lambda: nisa.dma_transpose(sbuf(8, 8), hbm(8, 8, kind="int32")), "equal dtypes"),
    ("bytes", lambda: nisa.dma_transpose(sbuf(8, 8, kind="int8"), hbm(8, 8, kind="int8")),
     "2 or 4 bytes"),
    ("swdge", lambda: nisa.dma_transpose(sbuf(8, 8), hbm(8, 8), dge_mode=SW), "vector_offset"),
    ("skip", lambda: nisa.dma_transpose(sbuf(8, 8), hbm(8, 8), oob_mode=nisa.oob_mode.skip),
     "only with indices"),
    ("hwdge bytes", lambda: nisa.dma_transpose(sbuf(8, 16), hbm(16, 8), dge_mode=HW), "2 bytes"),
    ("hwdge rows", lambda: nisa.dma_transpose(
        sbuf(8, 8, kind="bfloat16"), hbm(8, 8, kind="bfloat16"), dge_mode=HW), "16 rows"),
    ("hwdge block", lambda: nisa.dma_transpose(
        sbuf(8, 3, 2, kind="bfloat16"), hbm(2, 3, 8, kind="bfloat16"), dge_mode=HW),
     "a multiple of 16"),
    ("hwdge sizes", lambda: nisa.dma_transpose(
        sbuf(8, 16, 3, kind="bfloat16"), hbm(3, 16, 8, kind="bfloat16"), dge_mode=HW), "one of"),
    ("rows", lambda: nisa.dma_transpose(
        sbuf(8, 24, kind="bfloat16"), rows(hbm(40, 8, kind="bfloat16"), 24)), "multiple of 16"),
    ("gather bytes", lambda: nisa.dma_transpose(sbuf(8, 16), rows(hbm(40, 8), 16)), "2 bytes"),
    ("gather dtype", lambda: nisa.dma_transpose(
        sbuf(8, 16, kind="bfloat16"), rows(hbm(40, 8, kind="bfloat16"), 16, kind="int32")),
     "uint32"),
    ("gather columns", lambda: nisa.dma_transpose(
        sbuf(8, 16, kind="bfloat16"), rows(hbm(40, 8, kind="bfloat16"), 16, columns=2)),
     "more than one column"),
    ("gather dims", lambda: nisa.dma_transpose(
        sbuf(8, 2, 2, 16, kind="bfloat16"), rows(hbm(40, 2, 2, 8, kind="bfloat16"), 16)),
     r"shape\[1\] or shape\[2\]"),
]  # fmt: skip

SUMS: list[tuple[str, Body, str]] = [
    ("op", lambda: nisa.dma_compute(sbuf(8, 8), [hbm(8, 8)] * 2, nl.multiply), "nl.add"),
    ("scales", lambda: nisa.dma_compute(sbuf(8, 8), [hbm(8, 8)], nl.add, scales=[2.0]), "1.0"),
    ("count", lambda: nisa.dma_compute(sbuf(8, 8), [hbm(8, 8)] * 17, nl.add), r"1\.\.16"),
    ("totals", lambda: nisa.dma_compute(sbuf(8, 8), [hbm(8, 9)], nl.add), "equal numbers"),
    ("address", lambda: nisa.dma_compute(
        sbuf(8, 8), [hbm(9, 8, 8).select(0, sbuf(1, 1, kind="int32"))], nl.add),
     "known when compiling"),
    ("unique", lambda: nisa.dma_compute(
        sbuf(8, 8), [rows(hbm(9, 8), 8), sbuf(8, 8)], nl.add, unique_indices=False), "differ"),
    ("not dst", lambda: nisa.dma_compute(
        sbuf(8, 8), [rows(hbm(9, 8), 8), sbuf(8, 8)], nl.add), "dst"),
    ("three", lambda: nisa.dma_compute(
        sbuf(8, 8), [rows(hbm(9, 8), 8), sbuf(8, 8), sbuf(8, 8)], nl.add), "exactly 2"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "message"), [pytest.param(b, m, id=n) for n, b, m in COPIES + TRANSPOSES + SUMS]
)
def test_refused(body: Body, message: str):
    with refuses(message):
        body()


def test_packed_formats_are_not_cast():
    with refuses("equal dtypes where one is packed", chip="trn3"):
        packed = hbm(8, 8, kind="int32").view("float8_e5m2_x4")
        nisa.dma_copy(nl.ndarray((8, 8), nl.float32), packed)


def test_generations():
    with refuses("hwdge on inf2", chip="inf2"):
        nisa.dma_copy(sbuf(8, 8), hbm(8, 8), dge_mode=HW)
    with refuses("a chip with DMA transposes", chip="inf2"):
        nisa.dma_transpose(sbuf(8, 8), hbm(8, 8))
    with refuses("0, 1, 2 or 3", chip="trn3"):
        nisa.dma_copy(sbuf(8, 8), hbm(8, 8), priority=4)
    with refuses("nothing", chip="trn3", expected=False):
        nisa.dma_copy(sbuf(8, 8), hbm(8, 8), priority=3)
