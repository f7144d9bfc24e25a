"""What a view refuses, and what to do instead; what Python may do with a tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.isa.kernels import Bench
from tests.isa.views import hbm, sbuf

import glia.nki.language as nl
from glia.core.errors import KernelError
from glia.isa.tensors.refusals import IN_LANGUAGE
from glia.isa.tensors.tensor import MemoryRegion, NkiTensor, Storage
from glia.nki.arguments import is_array

INDEX = sbuf(1, 1, kind=nl.int32)
ROWS = sbuf(8, 1, kind=nl.int32)
T, H = sbuf(8, 4, 6), hbm(8, 4, 6)

REFUSED: list[tuple[str, Callable[[], Any], str]] = [
    ("too many", lambda: T[0, 0, 0, 0], "at most 3"),
    ("ellipses", lambda: T[..., ...], "at most 3 and one"),
    ("outside", lambda: T[:, 0:5], "clamp with min"),
    ("empty", lambda: T[:, 2:2].check_bounds(), "empty"),
    ("backwards", lambda: T[:, 3:1].check_bounds(), "empty"),
    ("in an empty one", lambda: T[:, 2:2][:, 0], "clamp with min"),
    ("ds before", lambda: T[:, nl.ds(3, -1)], "clamp"),
    ("step", lambda: T[:, ::-1], "a step of at least 1"),
    ("float", lambda: T[:, 1.5], "float"),
    ("index", lambda: H[8], "clamp"),
    ("tile as index", lambda: H[INDEX], "select"),
    ("slice", lambda: T.slice(1, 0, 5), "start < end <= 4"),
    ("slice order", lambda: T.slice(1, 3, 3), "start < end <= 4"),
    ("ds", lambda: T[:, nl.ds(2, 3)], "clamp"),
    ("ds size", lambda: T[:, nl.ds(INDEX, 5)], "inside"),
    ("ds tile", lambda: T[:, nl.ds(ROWS, 2)], r"shape \(1, 1\)"),
    ("select", lambda: T.select(1, 4), r"0\.\.3"),
    ("select partition", lambda: T.select(0, INDEX), "a free dim"),
    ("select twice", lambda: H.select(0, INDEX).select(0, INDEX), "one run-time index"),
    ("cut rows", lambda: H.vector_select(0, ROWS)[0:4], "picked at run time"),
    ("two in one key", lambda: H[nl.ds(INDEX, 4), nl.ds(INDEX, 2)], "one run-time index"),
    ("cut ds", lambda: H[nl.ds(INDEX, 4)][0:2], "picked at run time"),
    ("ap again", lambda: H.select(0, INDEX).ap([[1, 1]]), "one run-time index"),
    ("view again", lambda: H.select(0, INDEX).view(nl.int32), "reinterpret first"),
    ("vector dim", lambda: H.vector_select(1, ROWS), "dim 0 of an HBM"),
    ("vector on chip", lambda: T.vector_select(0, ROWS), "dim 0 of an HBM"),
    ("vector dtype", lambda: H.vector_select(0, sbuf(8, 1)), "int32 or uint32"),
    ("vector memory", lambda: H.vector_select(0, hbm(8, 1, kind=nl.int32)), "in SBUF"),
    ("rows first", lambda: H.vector_select(0, ROWS).permute((1, 0, 2)), "stays first"),
    ("rows reshape", lambda: H.vector_select(0, ROWS).reshape((32, 6)), "dim 0"),
    ("both offsets", lambda: H.ap([[1, 8]], scalar_offset=INDEX, vector_offset=ROWS), "one of"),
    ("float offset", lambda: H.ap([[1, 8]], scalar_offset=1.5), r"shape \(1, 1\)"),
    ("partition step", lambda: T.ap([[48, 4], [1, 6]]), "consecutive partitions"),
    ("pattern", lambda: T.ap([[24, 8], [1, 25]]).check_bounds(), "shorten the pattern"),
    ("negative", lambda: T.ap([[24, 8], [-1, 6]]), "at least 0"),
    ("no pattern", lambda: T.ap([]), "pairs"),
    ("permutation", lambda: T.permute((0, 1, 1)), "a permutation"),
    ("partition moves", lambda: T.permute((1, 0, 2)), "stays first"),
    ("expand first", lambda: T.expand_dim(0), "a free dim"),
    ("squeeze", lambda: T.squeeze_dim(1), "size 1"),
    ("squeeze last", lambda: sbuf(8, 1).squeeze_dim(1), "two dims"),
    ("broadcast", lambda: T.broadcast(1, 8), "expected 1"),
    ("broadcast partitions", lambda: sbuf(1, 4).broadcast(0, 8), "a free dim"),
    ("reshape total", lambda: T.reshape((8, 25)), "equal total"),
    ("reshape partition", lambda: T.reshape((4, 48)), "partition dim"),
    ("reshape copy", lambda: T.permute((0, 2, 1)).reshape((8, 24)), "needs a copy"),
    ("flatten", lambda: T[:, 0:2, 0:3].flatten_dims(1, 2), "needs a copy"),
    ("flatten partition", lambda: T.flatten_dims(0, 1), "partition dim"),
    ("flatten order", lambda: T.flatten_dims(2, 1), "start_dim <= end_dim"),
    ("split", lambda: T.reshape_dim(1, (3, -1)), "equal total"),
    ("dim", lambda: T.reshape_dim(7, (1, -1)), r"one of 0\.\.2"),
    ("rearrange names", lambda: T.rearrange(("p", "a", "b"), ("p", "a"), {}), "same names"),
    ("rearrange dims", lambda: T.rearrange(("p", "a"), ("p", "a"), {}), "expected 3"),
    ("cast", lambda: T[:, :, ::2].view(nl.int8), "contiguous"),
    ("cast size", lambda: sbuf(8, 3, kind=nl.int8).view(nl.int16), "whole elements"),
    ("assign", lambda: T.__setitem__(0, 1.0), "memset"),
    ("indirect index", lambda: T.indirect(sbuf(4, 1, kind=nl.int32)), r"\(8, K\)"),
    ("indirect hbm", lambda: H.indirect(ROWS), "on-chip"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "message"), [pytest.param(b, m, id=n) for n, b, m in REFUSED])
def test_refused(body: Callable[[], Any], message: str):
    with pytest.raises(KernelError, match=message):
        body()


def python_operators() -> dict[str, Callable[[], Any]]:
    return {
        "+": lambda: T + T, "r+": lambda: 1 + T, "-": lambda: T - 1, "*": lambda: 2 * T,
        "/": lambda: T / 2, "//": lambda: T // 2, "%": lambda: T % 2, "**": lambda: T**2,
        "@": lambda: T @ T, "&": lambda: T & 1, "|": lambda: T | 1, "^": lambda: T ^ 1,
        "<<": lambda: T << 1, ">>": lambda: T >> 1, "neg": lambda: -T, "abs": lambda: abs(T),
        "~": lambda: ~T, "<": lambda: T < 0, "<=": lambda: T <= 0, ">": lambda: T[0, 0, 0] > 0,
        ">=": lambda: T >= 0, "==": lambda: T == 0, "int": lambda: int(T),
        "float": lambda: float(T), "iter": lambda: list(T),
    }  # fmt: skip


@pytest.mark.parametrize("name", python_operators())
def test_operators_say_what_to_use(name: str):
    with pytest.raises(KernelError, match=r"values exist only on the chip.*use "):
        python_operators()[name]()


NUMPY: dict[str, Callable[[], Any]] = {
    "nl.exp": lambda: np.exp(T), "nl.maximum": lambda: np.maximum(T, 0),
    "nl.sum": lambda: np.sum(T),
    "nl.abs": lambda: np.absolute(T), "nl.multiply": lambda: np.float32(2) * T,
    "nl.add": lambda: np.zeros(3, np.float32) + T, "nl.where": lambda: np.where(T, 1, 0),
    "instructions of nisa": lambda: np.sinh(T), "conversion to a NumPy array": lambda: np.array(T),
}  # fmt: skip


@pytest.mark.parametrize("use", NUMPY)
def test_numpy_on_a_tensor_says_what_to_use(use: str):
    with pytest.raises(KernelError, match=f"(?s){use}") as caught:
        NUMPY[use]()
    assert "iteration" not in str(caught.value)


def test_the_names_given_for_numpys_are_those_of_the_language():
    for name in IN_LANGUAGE:
        assert callable(getattr(nl, name)) and callable(getattr(np, name)), name
    assert not isinstance(T, np.ndarray) and not is_array(T)


def test_an_if_on_a_tile_is_told_of_where():
    with pytest.raises(KernelError, match=r"nl\.greater \(an if .* nl\.where"):
        bool(T[0, 0, 0] > 0)


def test_tensors_compare_by_identity():
    assert T in (H, T)
    assert (T == None) is False  # noqa: E711  # what kernels write: no `is` in the compiled subset
    assert (T != None) is True and not (T != T)  # noqa: E711, SIM202
    with pytest.raises(KernelError, match=r"use nl.not_equal"):  # two tensors: meant are values
        bool(T != H)
    assert len({T, H, T}) == 2


def test_store_sugar():
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    bench = Bench(x=values)
    with bench:
        out, tile = bench.new((3, 4), np.float32, "hbm"), bench.new((3, 4), np.float32)
        tile[...] = bench["x"]
        copy = bench.new((3, 4), np.float32)
        copy[:, 0:2] = tile[:, 0:2]
        copy[:, 2:4] = tile[:, 0:2]
        out[0:3] = copy
    assert np.array_equal(bench.run(out), values[:, [0, 1, 0, 1]])


def test_the_public_constructor():
    storage = Storage(0, "w", "sbuf", (8, 4), nl.float32)
    whole = NkiTensor((8, 2, 2), nl.int32, storage)
    assert (whole.name, whole.shape, whole.buffer) == ("w", (8, 2, 2), MemoryRegion.sbuf)
    assert NkiTensor((4,), nl.float32, None, nl.hbm, "p").buffer == nl.private_hbm
