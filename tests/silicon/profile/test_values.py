"""What is computed again: equal values are found, and nothing that only looks equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.dtypes import dtype
from glia.isa.target import target_of
from glia.nki.arguments import TensorSpec
from glia.silicon.profile.build import build_profile
from glia.silicon.profile.values import computed_again
from silicon.profile.programs import CHIP, shared, trace

INPUT = ((128, 512), "float32")


def tile(columns: int = 512, kind: Any = nl.float32) -> Any:
    return nl.ndarray((128, columns), kind, nl.sbuf)


def load(x: Any) -> Any:
    made = tile(x.shape[1], x.dtype)
    nisa.dma_copy(made, x)
    return made


def times(one: Any, other: Any) -> Any:
    made = tile()
    nisa.tensor_tensor(made, one, other, nl.multiply)
    return made


def store(*results: Any) -> Any:
    out = shared(len(results), 128, 512)
    for i, result in enumerate(results):
        nisa.dma_copy(out[i], result)
    return out


def again(body: Callable[..., Any]) -> list[str]:
    """The operations that could be left out, in program order."""
    stream = trace(body, INPUT, INPUT)
    return [stream.instructions[i].op for i in sorted(computed_again(stream))]


def simple(x, y):
    a, b = load(x), load(y)
    return store(*(times(a, b) for _ in range(3)))


def loaded_again(x, y):
    return store(*(times(load(x), load(y)) for _ in range(3)))


def chained(x, y):
    a, b = load(x), load(y)
    return store(*(times(times(a, b), b) for _ in range(3)))


def by_parts(x, y):
    a, b = load(x), load(y)
    found = []
    for _ in range(2):
        made = tile()
        for part in (slice(0, 256), slice(256, 512)):
            nisa.tensor_tensor(made[:, part], a[:, part], b[:, part], nl.multiply)
        found.append(made[:, 0:256])
    out = shared(2, 128, 256)
    for i, part in enumerate(found):
        nisa.dma_copy(out[i], part)
    return out


@pytest.mark.parametrize(
    ("body", "num"), [(simple, 2), (loaded_again, 2), (chained, 4), (by_parts, 2)]
)
def test_the_same_on_the_same_is_found(body, num):
    assert again(body) == ["tensor_tensor"] * num


def input_changed(x, y):
    a, b = load(x), load(y)
    first = times(a, b)
    nisa.tensor_scalar(a[:, 5:6], a[:, 5:6], nl.add, 1.0)
    return store(first, times(a, b))


def other_attribute(x, y):
    a, made = load(x), [tile(), tile()]
    for value, one in zip((0.0, -0.0), made, strict=True):
        nisa.tensor_scalar(one, a, nl.multiply, value)
    return store(*made)


def other_place(x, y):
    a, out = load(x), shared(2, 128, 8)
    for i in range(2):
        made = tile(8)
        nisa.tensor_copy(made, a[:, i : i + 8])
        nisa.dma_copy(out[i], made)
    return out


def accumulated(x, y):
    """The zeros are equal; each is then added to in place."""
    a, sums = load(x), []
    for i in range(2):
        total = tile()
        nisa.memset(total, 0.0)
        nisa.tensor_tensor(total, total, a, nl.add if i else nl.subtract)
        sums.append(total)
    return store(*sums)


def partly_overwritten(x, y):
    a, b, found = load(x), load(y), []
    for i in range(2):
        made = times(a, b)
        nisa.memset(made[:, i : i + 1], 1.0)
        found.append(made)
    return store(*found)


def summed_in_psum(x, y):
    a, found = load(x), []
    for i in range(2):
        sums = nl.ndarray((128, 512), nl.float32, nl.psum)
        nisa.nc_matmul(sums, a[:, 0:128], a, accumulate=False)
        nisa.nc_matmul(sums, a[:, i : i + 128], a, accumulate=True)
        out = tile()
        nisa.tensor_copy(out, sums)
        found.append(out)
    return store(*found)


def random_numbers(x, y):
    made = [tile(512, nl.uint32) for _ in range(2)]
    for one in made:
        nisa.rng(one)
    out = shared(2, 128, 512, kind="uint32")
    for i, one in enumerate(made):
        nisa.dma_copy(out[i], one)
    return out


def run_time_addresses(x, y):
    a, at, found = load(x), tile(1, nl.uint32), []
    nisa.iota(at, [[1, 1]], channel_multiplier=1)
    for _ in range(2):
        made = tile()
        nisa.dma_copy(made, x.ap([[512, 128], [1, 512]], vector_offset=at, indirect_dim=0))
        found.append(times(made, a))
    return store(*found)


def stored_between(x, y):
    """What HBM holds is another value after the store."""
    out, found = shared(128, 512), []
    for i in range(2):
        made = tile()
        nisa.memset(made, float(i))
        nisa.dma_copy(out, made)
        back = load(out)
        found.append(times(back, back))
    return out, store(*found)


@pytest.mark.parametrize(
    "body",
    [
        input_changed, other_attribute, other_place, accumulated, partly_overwritten,
        summed_in_psum, random_numbers, run_time_addresses, stored_between,
    ],
)  # fmt: skip
def test_what_only_looks_the_same_is_not(body):
    assert again(body) == []


def test_a_whole_sum_in_psum_is_left_out():
    def body(x, y):
        a, found = load(x), []
        for _ in range(2):
            sums = nl.ndarray((128, 512), nl.float32, nl.psum)
            for i in range(2):
                nisa.nc_matmul(sums, a[:, i : i + 128], a, accumulate=bool(i))
            out = tile()
            nisa.tensor_copy(out, sums)
            found.append(out)
        return store(*found)

    assert again(body) == ["nc_matmul", "nc_matmul", "tensor_copy"]


def test_advice_says_what_keeping_gains_and_the_low_end_is_without():
    def body(x, y, num):
        """In halves, so that the product is not one instruction that could simply move up."""
        a, b = load(x), load(y)
        total = tile()
        nisa.memset(total, 0.0)
        for _ in range(num):
            made = tile()
            for half in (slice(0, 256), slice(256, 512)):
                nisa.tensor_tensor(made[:, half], a[:, half], b[:, half], nl.multiply)
                nisa.tensor_tensor(total[:, half], total[:, half], made[:, half], nl.add)
        return store(total)

    def profile(num):
        return build_profile((trace(lambda x, y: body(x, y, num), INPUT, INPUT),), CHIP, "f", ())[0]

    kept, once = profile(40), profile(1)
    found = next(a for a in kept.advice if a.title == "keep what is computed again")
    each_s = (kept.as_written.likely - once.as_written.likely) / 39
    assert found.gain_s == pytest.approx(39 * each_s / 2, rel=0.1)
    assert "78 instructions" in found.detail and found.lines
    assert kept.time.low < 0.7 * kept.dataflow.low
    assert any("78 instructions do what one before did" in note for note in kept.notes)
    assert not any(a.title == found.title for a in once.advice)
    assert once.time.low == once.dataflow.low


@nki.jit
def drawn(x, steps):
    """A random program over four tiles, as `steps` (what, result, operands, part) say."""
    tiles = [nl.ndarray((16, 32), nl.float32, nl.sbuf) for _ in range(4)]
    for made in tiles:
        nisa.dma_copy(made, x)
    for what, result, one, other, part in steps:
        columns = slice(8 * part, 8 * part + 16)
        if what == "new":
            made = nl.ndarray((16, 32), nl.float32, nl.sbuf)
            nisa.tensor_tensor(made, tiles[one], tiles[other], nl.add)
            tiles[result] = made
        elif what == "part":
            nisa.tensor_scalar(tiles[result][:, columns], tiles[result][:, columns], nl.add, 1.0)
        elif what == "copy":
            nisa.tensor_copy(tiles[result][:, columns], tiles[one][:, 0:16])
        else:
            nisa.memset(tiles[result], float(part))
    out = nl.ndarray((4, 16, 32), nl.float32, nl.shared_hbm)
    for i, made in enumerate(tiles):
        nisa.dma_copy(out[i], made)
    return out


STEP = st.tuples(
    st.sampled_from(["new", "new", "part", "copy", "set"]),
    st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 2),
)  # fmt: skip


class Played:
    """The same program in NumPy; what is left out is read where the other left it, and locked."""

    def __init__(self, x: np.ndarray) -> None:
        self.tiles = [(x.copy(), np.full(32, -1)) for _ in range(4)]
        self.results: list[np.ndarray] = []

    def read(self, number: int, columns: slice, in_place: bool = False) -> np.ndarray:
        data, locks = self.tiles[number]
        owners = set(locks[columns])
        assert owners == {-1} if in_place else len(owners) == 1
        return data[:, columns].copy()

    def step(self, step: tuple, instead: int | None) -> None:
        what, result, one, other, part = step
        columns = slice(8 * part, 8 * part + 16) if what in ("part", "copy") else slice(0, 32)
        if instead is not None:
            made = self.results[instead]
        elif what == "new":
            made = self.read(one, columns) + self.read(other, columns)
        elif what == "part":
            made = self.read(result, columns, in_place=True) + np.float32(1)
        elif what == "copy":
            made = self.read(one, slice(0, 16), in_place=one == result)
        else:
            made = np.full((16, 32), part, np.float32)
        if what in ("new", "set"):
            self.tiles[result] = np.empty((16, 32), np.float32), np.full(32, -1)
        data, locks = self.tiles[result]
        data[:, columns], locks[columns] = made, -1 if instead is None else instead
        self.results.append(made)


@settings(max_examples=100, deadline=None)
@given(st.lists(STEP, min_size=2, max_size=16))
def test_programs_without_what_is_left_out_end_with_the_same(steps):
    steps = [s for s in steps if s[0] != "copy" or s[1] != s[2] or s[4] == 0]
    x = np.random.default_rng(0).standard_normal((16, 32)).astype(np.float32)
    spec = TensorSpec(x.shape, dtype("float32"))
    stream = drawn.trace(spec, steps, target=target_of(CHIP))
    found = {i - 4: first - 4 for i, first in computed_again(stream).items()}
    whole, lean = Played(x), Played(x)
    for number, step in enumerate(steps):
        whole.step(step, None)
        lean.step(step, found.get(number))
        np.testing.assert_array_equal(lean.results[number], whole.results[number])
    for number in range(4):
        expected = whole.read(number, slice(0, 32))
        np.testing.assert_array_equal(lean.read(number, slice(0, 32)), expected)
