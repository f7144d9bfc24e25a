"""Views against the documentation and against NumPy's own: chains of operations, patterns."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.isa.kernels import Bench
from tests.isa.views import hbm, sbuf, seen

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import KernelError
from glia.isa.tensors.tensor import NkiTensor

# -- what the documentation says ---------------------------------------------------------------


def test_anatomy():
    t = sbuf(128, 64)
    assert (t.shape, t.strides, t.offset, t.ndim, t.size) == ((128, 64), (64, 1), 0, 2, 8192)
    assert t.buffer == nl.sbuf
    assert t.dtype == nl.float32
    assert hbm(2, 3).buffer == nl.shared_hbm
    assert hbm(2, 3).buffer in (nl.hbm, nl.private_hbm, nl.shared_hbm)
    u = t.slice(dim=1, start=8, end=24)
    assert u.get_pattern() == [[64, 128], [1, 16]]
    assert u.offset == 8
    v = t.ap(pattern=[[64, 128], [1, 16]], offset=8)
    assert (v.get_pattern(), v.offset) == (u.get_pattern(), u.offset)
    assert t[32:64].offset == 32 * 64


def test_on_chip_views_keep_two_dims():
    t = sbuf(64, 64, 64)
    whole = slice(None)
    shapes: list[tuple[Any, tuple[int, ...]]] = [
        ((0, 0, 10), (1, 1)), ((whole, 0), (64, 64)), ((whole, 0, 10), (64, 1)),
        ((slice(0, 64), 0, slice(0, 64)), (64, 64)), ((0, ..., whole), (1, 64, 64)),
        (..., t.shape), ((whole, whole, slice(None, None, 2)), (64, 64, 32)), ((..., -1), (64, 64)),
    ]  # fmt: skip
    for key, shape in shapes:
        assert t[key].shape == shape
    assert t[0][:, 0:32, :].shape == (1, 32, 64)
    assert t[:, 0:1, 0:1].squeeze_dim(1).shape == (64, 1)
    assert sbuf(64, 8)[0, 3].offset == 3


def test_hbm_views_drop_indexed_dims_down_to_one():
    h = hbm(4, 128, 32)
    assert h[0].shape == (128, 32)
    assert h[1, 2].strides == (1,)
    assert h[1, 2, 3].shape == (1,)
    assert h[1, 2, 3].offset == (1 * 128 + 2) * 32 + 3
    assert h[-1].offset == 3 * 128 * 32


def test_view_methods_of_the_documentation():
    t = sbuf(128, 24)
    assert t.rearrange(("b", ("h", "w")), ("b", "w", "h"), {"h": 4}).shape == (128, 6, 4)
    assert t.reshape_dim(1, (4, -1)).shape == (128, 4, 6)
    assert sbuf(128, 2, 3, 4).flatten_dims(1, 2).shape == (128, 6, 4)
    assert sbuf(128, 1, 64).broadcast(1, 8).strides == (64, 0, 1)
    assert t.expand_dim(1).shape == (128, 1, 24)
    assert t.expand_dim(-1).shape == (128, 24, 1)
    assert t.view(nl.uint8).shape == (128, 96)
    assert t.view(nl.uint8).reinterpret_cast(nl.float32).get_pattern() == t.get_pattern()
    assert sbuf(128, 256, kind=nl.int32).ap([[512, 128], [1, 512]], 0, dtype=nl.bfloat16).shape == (
        128,
        512,
    )


@pytest.mark.parametrize(
    ("make", "dense"),
    [
        (lambda: sbuf(8, 4, 6), True),
        (lambda: sbuf(8, 4, 6)[0:4], True),
        (lambda: sbuf(8, 4, 6)[:, 1:2, 2:5], True),
        (lambda: sbuf(8, 4, 6)[:, 0:2, 2:5], False),
        (lambda: sbuf(8, 4, 6).permute((0, 2, 1)), False),
        (lambda: hbm(8, 4)[::2], False),
        (lambda: hbm(8, 4)[2:4], True),
    ],
)
def test_is_contiguous(make: Callable[[], NkiTensor], dense: bool):
    assert make().is_contiguous() is dense


def test_an_access_pattern_ignores_shape_and_strides_of_its_view():
    t = sbuf(128, 256)
    inner = t.ap([[256, 128], [2, 128]])
    outer = inner.ap([[256, 128], [1, 64]])
    assert (outer.get_pattern(), outer.offset) == ([[256, 128], [1, 64]], 0)
    moved = t[32:64, 8:16]
    assert moved.ap([[256, 32], [1, 4]]).offset == 32 * 256 + 8  # inherits where the view starts
    assert moved.ap([[256, 32], [1, 4]], offset=2).offset == 32 * 256 + 10


# -- properties --------------------------------------------------------------------------------


@st.composite
def chains(draw: st.DrawFn, on_chip: bool) -> list[tuple[str, tuple[Any, ...]]]:
    """Names and raw numbers; `apply` makes them fit the shape at hand."""
    names = ["index", "slice", "permute", "split", "flatten", "expand", "squeeze", "broadcast"]
    picks = st.lists(st.integers(0, 10**6), min_size=6, max_size=6)
    steps = draw(st.lists(st.tuples(st.sampled_from(names), picks), min_size=1, max_size=6))
    return [(name, tuple(numbers)) for name, numbers in steps]


def apply(tensor: NkiTensor, name: str, pick: tuple[int, ...]) -> NkiTensor:
    """One operation with arguments that are legal for this tensor; the tensor itself if none is."""
    first = 1 if tensor.on_chip else 0
    free = list(range(first, tensor.ndim))
    dim = free[pick[0] % len(free)]
    size = tensor.shape[dim]
    if name == "index":
        at = pick[1] % size
        return tensor[(*(slice(None),) * dim, at - size if pick[2] % 2 else at)]
    if name == "slice":
        dim = pick[0] % tensor.ndim
        start = pick[1] % tensor.shape[dim]
        end = start + 1 + pick[2] % (tensor.shape[dim] - start)
        return tensor.slice(dim, start, end, 1 if dim < first else 1 + pick[3] % 3)
    if name == "permute":
        order = free[pick[1] % len(free) :] + free[: pick[1] % len(free)]
        return tensor.permute((*range(first), *order))
    if name == "split":
        divisors = [d for d in range(1, size + 1) if size % d == 0]
        return tensor.reshape_dim(dim, (divisors[pick[1] % len(divisors)], -1))
    if name == "flatten":
        end = free[-1]
        return (
            tensor.flatten_dims(dim, end)
            if tensor[..., 0:1].ndim and dense(tensor, dim)
            else (tensor)
        )
    if name == "expand":
        return tensor.expand_dim(first + pick[1] % (tensor.ndim - first + 1))
    ones = [d for d in free if tensor.shape[d] == 1]
    if not ones:
        return tensor
    one = ones[pick[1] % len(ones)]
    if name == "squeeze":
        return tensor if tensor.ndim <= first + 1 else tensor.squeeze_dim(one)
    return tensor.broadcast(one, 1 + pick[2] % 4)


def dense(tensor: NkiTensor, dim: int) -> bool:
    """The dims from `dim` on merge into one."""
    dims = [(n, s) for n, s in zip(tensor.shape[dim:], tensor.strides[dim:], strict=True) if n > 1]
    return all(a[1] == b[0] * b[1] for a, b in pairwise(dims))


def mirrored(array: np.ndarray, before: NkiTensor, after: NkiTensor, name: str, pick: Any) -> Any:
    """The same operation on a NumPy array, by NumPy's own rules."""
    first = 1 if before.on_chip else 0
    free = list(range(first, before.ndim))
    dim = free[pick[0] % len(free)]
    if name == "index":
        taken = np.take(array, pick[1] % before.shape[dim], axis=dim)
        return taken.reshape(after.shape)
    if name == "slice":
        dim = pick[0] % before.ndim
        start = pick[1] % before.shape[dim]
        end = start + 1 + pick[2] % (before.shape[dim] - start)
        step = 1 if dim < first else 1 + pick[3] % 3
        return np.take(array, range(start, end, step), axis=dim)
    if name == "permute":
        order = free[pick[1] % len(free) :] + free[: pick[1] % len(free)]
        return np.transpose(array, (*range(first), *order))
    if name == "broadcast":
        return np.broadcast_to(array, after.shape)
    return np.reshape(array, after.shape)


@pytest.mark.parametrize("on_chip", [True, False])
@settings(max_examples=150)
@given(st.data())
def test_chains_of_views_are_numpys(on_chip: bool, data: st.DataObject):
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=4)))
    tensor = sbuf(*shape) if on_chip else hbm(*shape)
    expected = np.arange(math.prod(shape)).reshape(shape)
    for name, pick in data.draw(chains(on_chip)):
        if tensor.ndim >= 5 and name in ("split", "expand"):
            continue
        made = apply(tensor, name, pick)
        if made is not tensor:
            expected = mirrored(expected, tensor, made, name, pick)
        tensor = made
        assert tensor.shape == expected.shape
        assert np.array_equal(seen(tensor), expected)
    if all(s == t for s, t in zip(tensor.strides[:1], tensor.storage.steps[:1], strict=True)):
        again = tensor.ap(tensor.get_pattern())
        assert (again.get_pattern(), again.offset) == (tensor.get_pattern(), tensor.offset)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_chains_hold_their_values_through_the_machine(data: st.DataObject):
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=4)))
    values = np.arange(math.prod(shape), dtype=np.float32).reshape(shape)
    bench = Bench(x=values)
    with bench:
        view = tile = bench.loaded("x")
        for name, pick in data.draw(chains(True)):
            if view.ndim < 5 or name not in ("split", "expand"):
                view = apply(view, name, pick)
        out = bench.new(view.shape, np.float32, "hbm")
        nisa.dma_copy(out, view)
    assert tile.storage is view.storage
    assert np.array_equal(bench.run(out), values.reshape(-1)[seen(view)])


@settings(max_examples=60)
@given(st.data())
def test_patterns_are_as_strided(data: st.DataObject):
    width = data.draw(st.integers(4, 40))
    pairs = data.draw(
        st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=3)
    )
    span = sum((n - 1) * s for s, n in pairs)
    offset = data.draw(st.integers(0, max(width - 1 - span, 0)))
    start = data.draw(st.integers(0, 7))
    count = data.draw(st.integers(1, 8 - start))
    tensor = sbuf(8, width)
    pattern = [[width, count], *([s, n] for s, n in pairs)]
    if offset + span >= width:
        with pytest.raises(KernelError, match="shorten the pattern"):
            tensor.ap(pattern, start * width + offset).check_bounds()
        return
    flat = np.arange(8 * width)[start * width + offset :]
    expected = np.lib.stride_tricks.as_strided(
        flat, [n for _, n in pattern], [s * flat.itemsize for s, _ in pattern]
    )
    assert np.array_equal(seen(tensor.ap(pattern, start * width + offset)), expected)
