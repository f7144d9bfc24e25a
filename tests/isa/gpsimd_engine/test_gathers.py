"""local_gather and nc_n_gather against loops, their rules and costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glia.nki.isa as nisa
from glia.core.errors import KernelError
from glia.isa.target import target_of
from isa.vector_engine.harness import normal, of, psum, refused, run, sbuf, traced, whole


def by_core(x: np.ndarray, index: np.ndarray, count: int, length: int) -> np.ndarray:
    """Each core's indices, down the partitions first, pick runs from all of its partitions."""
    rows = []
    for p in range(len(x)):
        own = index[p // 16 * 16 : p // 16 * 16 + 16]
        taken = [own[i % 16, i // 16] for i in range(count)]
        rows.append([x[p, start + j] for start in taken for j in range(length)])
    return np.array(rows, x.dtype)


@settings(max_examples=15, deadline=None)
@given(
    cores=st.sampled_from([1, 2, 4, 8]), columns=st.integers(1, 4), width=st.integers(32, 90),
    length=st.sampled_from([1, 2, 4, 8, 16, 32]), short=st.integers(0, 15),
    kind=st.sampled_from(["float32", "bfloat16", "uint8"]), seed=st.integers(0, 9),
)  # fmt: skip
def test_local_gather(
    cores: int, columns: int, width: int, length: int, short: int, kind: str, seed: int
):
    rows, count = 16 * cores, 16 * columns - short
    x = whole(rows, width, kind=kind, low=0, high=200, seed=seed)
    index = whole(rows, columns, kind="uint16", low=0, high=width - length + 1, seed=seed)

    def call(dst: Any, data: Any, places: Any) -> None:
        nisa.local_gather(dst, data, places, length, count if short else None)

    got = run(call, [x, index], [((rows, count * length), kind)])[0]
    assert np.array_equal(got, by_core(x, index, count, length))


def test_local_gather_takes_the_shapes_of_the_documentation():
    """Source (128, 512, 4), indices (128, 4) that count elements, result (128, 4, 16, 4)."""
    x = normal(128, 512, 4)
    index = np.tile(whole(16, 4, kind="uint16", low=0, high=512), (8, 1))
    call = lambda d, s, i: nisa.local_gather(d, s, i, 4, 64)  # noqa: E731
    got = run(call, [x, index * np.uint16(4)], [((128, 4, 16, 4), "float32")])[0]
    order = index[:16].flatten(order="F")
    assert np.array_equal(got.reshape(128, 64, 4), x[:, order])


@settings(max_examples=15, deadline=None)
@given(
    rows=st.integers(1, 128), width=st.integers(1, 90), count=st.integers(1, 40),
    kind=st.sampled_from(["float32", "bfloat16", "int32", "uint8"]),
)  # fmt: skip
def test_nc_n_gather(rows: int, width: int, count: int, kind: str):
    x = whole(rows, width, kind=kind, low=0, high=200)
    index = whole(rows, count, kind="uint32", low=0, high=width)
    got = run(nisa.nc_n_gather, [x, index], [((rows, count), kind)])[0]
    assert np.array_equal(got, [[row[i] for i in at] for row, at in zip(x, index, strict=True)])


def test_free_dims_are_flattened():
    x, index = normal(8, 3, 4), whole(8, 2, 3, kind="uint32", low=0, high=12)
    got = run(nisa.nc_n_gather, [x, index], [((8, 6), "float32")])[0]
    assert np.array_equal(got, np.take_along_axis(x.reshape(8, 12), index.reshape(8, 6), 1))


def test_an_index_out_of_bounds_is_named():
    x = normal(16, 20)
    for index, length, bad in ((20, 1, 20), (17, 4, 20)):
        with pytest.raises(KernelError, match=rf"got index {bad}, expected 0\.\.19"):
            run(
                lambda d, s, i, n=length: nisa.local_gather(d, s, i, n),
                [x, np.full((16, 1), index, np.uint16)], [((16, 16 * length), "float32")],
            )  # fmt: skip
    with pytest.raises(KernelError, match="got index 4294967295"):
        run(nisa.nc_n_gather, [x, np.full((16, 1), 2**32 - 1, np.uint32)], [((16, 1), "float32")])


def local(rows: int = 32, columns: int = 2, out: int = 32, kind: str = "float32",
          index: Any = None, dst: Any = None, **options: Any) -> Any:  # fmt: skip
    places = sbuf(rows, columns, kind="uint16") if index is None else index
    return nisa.local_gather(
        sbuf(rows, out, kind=kind) if dst is None else dst, sbuf(rows, 50), places, **options
    )


def n_gather(dst: Any = None, index: Any = None, **_: Any) -> Any:
    return nisa.nc_n_gather(
        sbuf(8, 4) if dst is None else dst, sbuf(8, 9),
        sbuf(8, 4, kind="uint32") if index is None else index,
    )  # fmt: skip


RULES: list[tuple[str, Callable[[], Any], str]] = [
    ("partitions", lambda: local(rows=24), "a multiple of 16"),
    ("index partitions", lambda: local(index=sbuf(16, 2, kind="uint16")), "src_buffer's 32 from 0"),
    ("index place", lambda: local(index=sbuf(64, 2, kind="uint16")[32:]), "src_buffer's 32 from 0"),
    ("index kind", lambda: local(index=sbuf(32, 2, kind="int32")), "expected uint16"),
    ("result kind", lambda: local(kind="bfloat16"), "src's float32"),
    ("result size", lambda: local(out=31), "expected 32"),
    ("run length", lambda: local(num_elem_per_idx=3), "one of"),
    ("too many valid", lambda: local(num_valid_indices=33), r"1\.\.32 per core"),
    ("none valid", lambda: local(num_valid_indices=0), r"1\.\.32 per core"),
    ("4097 indices", lambda: local(columns=257, out=4112), r"1\.\.4096 per core"),
    ("result in psum", lambda: local(dst=psum(32, 32)), "expected sbuf"),
    ("n index kind", lambda: n_gather(index=sbuf(8, 4, kind="uint16")), "expected uint32"),
    ("n index rows", lambda: n_gather(index=sbuf(4, 4, kind="uint32")), "data's 8"),
    ("n result kind", lambda: n_gather(dst=sbuf(8, 4, kind="bfloat16")), "data's float32"),
    ("n result shape", lambda: n_gather(dst=sbuf(8, 5)), r"\(8, 4\)"),
    ("n result in psum", lambda: n_gather(dst=psum(8, 4)), "expected sbuf"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), [r[1:] for r in RULES], ids=[r[0] for r in RULES])
def test_refused(body: Callable[[], Any], message: str):
    refused(body, message)


def cycles(body: Callable[[], Any]) -> float:
    return traced(body)[-1].work.cycles


def test_longer_runs_cost_less_per_element():
    """The printed formula by hand: (28 + 4 e) / (4 e) cycles per element, over min(4 / size, e)."""
    assert cycles(lambda: local(columns=4, out=64)) == 64 * (32 / 4)
    longer = cycles(lambda: local(columns=4, out=64 * 16, num_elem_per_idx=16))
    assert longer == 64 * 16 * (28 + 64) / 64
    narrow = cycles(
        lambda: nisa.local_gather(
            sbuf(32, 128, kind="bfloat16"), sbuf(32, 50, kind="bfloat16"),
            sbuf(32, 4, kind="uint16"), 2,
        )
    )  # fmt: skip
    assert narrow == 128 * (28 + 8) / 8 / 2


def test_every_512_elements_start_an_instruction():
    def gather(count: int) -> Callable[[], Any]:
        return lambda: nisa.nc_n_gather(sbuf(8, count), sbuf(8, 600), sbuf(8, count, kind="uint32"))

    step = target_of("trn2").gpsimd_fixed
    assert (
        cycles(gather(513)) - cycles(gather(512))
        == cycles(gather(101)) - cycles(gather(100)) + step
    )
    assert of("uint32").itemsize == 4
