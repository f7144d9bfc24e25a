"""What the likely time leaves out as a compiler does: repeats on the same tensors, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.chips import load_chip
from glia.silicon import Timing, schedule
from glia.silicon.profile.build import build_profile
from glia.silicon.profile.invariants import hoisted, loop_invariants
from silicon.profile.programs import CHIP, TARGET, shared, trace
from silicon.random_programs import build, places, run, steps

INPUT = ((128, 512), "float32")
TIMING = Timing.of(load_chip(CHIP).silicon)
NUM = 12


def tile(columns: int = 512) -> Any:
    return nl.ndarray((128, columns), nl.float32, nl.sbuf)


def load(x: Any) -> Any:
    made = tile(x.shape[1])
    nisa.dma_copy(made, x)
    return made


def times(one: Any, other: Any) -> Any:
    made = tile()
    nisa.tensor_tensor(made, one, other, nl.multiply)
    return made


def added(product: Callable[[Any, Any, Any, Any, int], Any], num: int = NUM):
    """A sum of `num` products of two tiles, as `product(a, b, x, y, i)` makes them."""

    def kernel(x, y):
        a, b, total, out = load(x), load(y), tile(), shared(128, 512)
        nisa.memset(total, 0.0)
        for i in range(num):
            nisa.tensor_tensor(total, total, product(a, b, x, y, i), nl.add)
        nisa.dma_copy(out, total)
        return out

    return trace(kernel, INPUT, INPUT)


def left_out(stream) -> list[str]:
    return [stream.instructions[i].op for i in sorted(loop_invariants(stream, TARGET))]


def chained(a, b, x, y, i):
    return times(times(a, b), b)


def by_a_constant(a, b, x, y, i):
    made, half = tile(), tile()
    nisa.memset(half, 0.5)
    nisa.tensor_tensor(made, a, half, nl.multiply)
    return made


@pytest.mark.parametrize(
    ("product", "ops"),
    [
        (lambda a, b, x, y, i: times(a, b), ["tensor_tensor"]),
        (chained, ["tensor_tensor"] * 2),
        (by_a_constant, ["memset", "tensor_tensor"]),
    ],
)
def test_repeats_on_the_same_tensors_are_left_out(product, ops):
    assert left_out(added(product)) == ops * (NUM - 1)


def loaded_again(a, b, x, y, i):
    return times(load(x), b)


def changed_between(a, b, x, y, i):
    nisa.tensor_scalar(a[:, 0:1], a[:, 0:1], nl.add, 1.0)
    return times(a, b)


def other_columns(a, b, x, y, i):
    made = tile()
    nisa.memset(made, 0.0)
    nisa.tensor_tensor(made[:, 0:8], a[:, i : i + 8], b[:, 0:8], nl.multiply)
    return made


def other_number(a, b, x, y, i):
    made = tile()
    nisa.tensor_scalar(made, a, nl.multiply, float(i))
    return made


def result_changed(a, b, x, y, i):
    made = times(a, b)
    nisa.tensor_scalar(made, made, nl.add, 1.0)
    return made


@pytest.mark.parametrize(
    "product", [loaded_again, changed_between, other_columns, other_number, result_changed]
)
def test_anything_else_stays(product):
    stream = added(product)
    assert left_out(stream) == []
    assert hoisted(stream, TARGET) is stream


def test_what_finds_no_room_on_chip_stays():
    """Every product would have to be kept until the second pass; the first ones find room."""

    def kernel(x, y):
        a, total, out = load(x), tile(), shared(128, 512)
        nisa.memset(total, 0.0)
        for _ in range(2):
            for i in range(200):
                made = tile()
                nisa.tensor_scalar(made, a, nl.multiply, float(i))
                nisa.tensor_tensor(total, total, made, nl.add)
        nisa.dma_copy(out, total)
        return out

    stream = trace(kernel, INPUT, INPUT)
    room = TARGET.sbuf_bytes - stream.sbuf_peak_bytes
    assert left_out(stream) == ["tensor_scalar"] * (room // 2048) and room // 2048 < 200


def test_the_program_takes_as_long_as_one_written_so():
    """Likely, lines and energy are those of the kernel with the product in front of the loop."""

    def by_hand(x, y):
        a, b, total, out = load(x), load(y), tile(), shared(128, 512)
        nisa.memset(total, 0.0)
        product = times(a, b)
        for _ in range(NUM):
            nisa.tensor_tensor(total, total, product, nl.add)
        nisa.dma_copy(out, total)
        return out

    def profiled(stream):
        return build_profile((stream,), CHIP, "f", ())[0]

    found = profiled(added(lambda a, b, x, y, i: times(a, b)))
    expected = profiled(trace(by_hand, INPUT, INPUT))
    for name in ("time", "energy", "power"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert ours.likely == pytest.approx(theirs.likely, rel=1e-9)
        assert ours.low <= ours.likely <= ours.high
    assert sum(use.critical_s for use in found.lines) == pytest.approx(found.time.likely)
    assert found.time.high == found.as_written.high > expected.time.high
    assert found.energy.high > expected.energy.high
    assert found.as_written.likely > 1.5 * found.time.likely
    assert found.dataflow.likely <= found.time.likely
    busy = [{use.name: use.busy_s for use in p.engines}["vector"] for p in (found, expected)]
    assert busy[0] == pytest.approx(busy[1])
    assert any("11 instructions do on the same tensors" in note for note in found.notes)
    assert not any(advice.title == "keep what is computed again" for advice in found.advice)


def test_a_change_that_lengthens_the_program_is_not_made():
    """One product in PSUM instead of one per bank: its readers would meet at its bank."""

    def kernel(x):
        a, sums = load(x), [tile(), tile()]
        for one in sums:
            nisa.memset(one, 0.0)
        for _ in range(NUM):
            bank = nl.ndarray((128, 512), nl.float32, nl.psum)
            nisa.nc_matmul(bank, a[:, 0:128], a)
            nisa.tensor_tensor(sums[0], sums[0], bank, nl.add)
            for _ in range(4):
                nisa.activation(sums[1], nl.exp, bank)
        out = shared(2, 128, 512)
        for i, one in enumerate(sums):
            nisa.dma_copy(out[i], one)
        return out

    stream = trace(kernel, INPUT)
    assert left_out(stream) == ["nc_matmul"] * (NUM - 1)
    longer = schedule(hoisted(stream, TARGET), TIMING).makespan_s
    found = build_profile((stream,), CHIP, "f", ())[0]
    assert found.time.likely == found.as_written.likely < longer


def carry_out(stream, memories: dict[int, np.ndarray]) -> None:
    """Execute a stream with memory of its own for every tensor, which keeps what is kept."""
    for one in stream.instructions:
        arrays = []
        for view in (*one.writes, *one.reads):
            s = view.storage
            if s.index not in memories:
                memories[s.index] = np.zeros((128, s.address + s.partition_bytes), np.uint8)
            arrays.append(view.bind(memories[s.index]))
        one.meaning(*arrays)


@pytest.mark.parametrize("product", [lambda a, b, x, y, i: times(a, b), chained, by_a_constant])
def test_the_output_stays(product):
    stream = added(product)
    results = []
    for one in (stream, hoisted(stream, TARGET)):
        random = np.random.default_rng(4)
        size = 128 * 512
        memories = {
            s.index: random.random(size, np.float32).view(np.uint8)
            for s in (*stream.inputs, *stream.outputs)
        }
        carry_out(one, memories)
        results.append(memories[stream.outputs[0].index])
    assert np.array_equal(*results) and results[0].any()


@settings(max_examples=60, deadline=None)
@given(steps)
def test_outputs_of_random_programs_stay(program):
    stream = build(program + program)
    found, result = places(stream)
    carry_out(hoisted(stream, TARGET), {index: hbm.memory for index, hbm in found.items()})
    np.testing.assert_array_equal(result, run(stream))
