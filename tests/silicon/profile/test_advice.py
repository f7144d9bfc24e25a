"""Advice is judged by carrying it out: the changed program, traced and timed, takes that long."""

from __future__ import annotations

import pytest

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.chips import load_chip
from glia.isa.engines import engine
from glia.silicon import Timing, schedule
from glia.silicon.profile import advice as rules
from glia.silicon.profile.advice import WORTH, Situation, advise
from glia.silicon.profile.whatif import Variant, on_engine
from silicon.profile.programs import CHIP, TARGET, product, scaled, shared, trace

SILICON = load_chip(CHIP).silicon
TIMING = Timing.of(SILICON)
X = ((512, 512), "float32")


def situation(stream) -> Situation:
    timeline = schedule(stream, TIMING)
    return Situation(Variant.of(stream), timeline, TIMING, TARGET, SILICON)


def seconds(stream) -> float:
    return schedule(stream, TIMING).makespan_s


def only(rule, stream):
    (found,) = rule(situation(stream))
    return found


def test_removing_reloads_takes_as_long_as_the_kernel_that_does_not_reload():
    reloading = trace(lambda x: scaled(x, again=True), X)
    once = trace(lambda x: scaled(x, again=False), X)
    found = only(rules.reloads_removed, reloading)
    assert seconds(reloading) - found.gain_s == pytest.approx(seconds(once))
    assert found.fraction == pytest.approx(found.gain_s / seconds(reloading))


def test_a_kernel_without_reloads_gets_no_such_advice():
    stream = trace(lambda x: scaled(x, again=False), X)
    assert list(rules.reloads_removed(situation(stream))) == []


def test_moving_a_line_takes_as_long_as_the_kernel_written_so():
    vector = trace(lambda x: scaled(x, False, engine=nisa.engine.vector), X)
    scalar = trace(lambda x: scaled(x, False, engine=nisa.engine.scalar), X)
    lines = {(one.file, one.line) for one in vector.instructions if one.op == "tensor_scalar"}
    moved = on_engine(vector, lines, engine.scalar, TARGET)
    assert moved is not None
    assert seconds(moved) == pytest.approx(seconds(scalar))
    assert {o.engine for o in moved.instructions if o.op == "tensor_scalar"} == {engine.scalar}


def test_an_engine_that_cannot_do_it_is_no_advice():
    def body(x):
        tile = nl.ndarray((128, 512), dtype=x.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=tile, src=x[0:128])
        total = nl.ndarray((128, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_scalar(
            dst=tile, data=tile, op0=nl.maximum, operand0=0.5, engine=nisa.engine.vector
        )
        nisa.tensor_reduce(dst=total, data=tile, op=nl.add, axis=1)
        out = shared(128, 1)
        nisa.dma_copy(dst=out, src=total)
        return out

    stream = trace(body, X)
    lines = {(one.file, one.line) for one in stream.instructions if one.op == "tensor_scalar"}
    assert on_engine(stream, lines, engine.scalar, TARGET) is None


def test_bf16_products_take_as_long_as_the_kernel_in_bf16():
    wide = trace(product, ((128, 128), "float32"), ((128, 512), "float32"))
    found = only(rules.half_precision, wide)
    matmul = next(o for o in wide.instructions if o.op == "nc_matmul")
    assert matmul.work.cycles / 4 == 512
    assert 0 < found.gain_s <= matmul.work.cycles * 3 / 4 / 2.4e9 / 0.5
    narrow = trace(product, ((128, 128), "bfloat16"), ((128, 512), "bfloat16"))
    assert list(rules.half_precision(situation(narrow))) == []


def test_products_narrower_than_their_stationary_load():
    def body(a, b):
        left = nl.ndarray((128, 128), dtype=a.dtype, buffer=nl.sbuf)
        right = nl.ndarray((128, 512), dtype=b.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=left, src=a)
        nisa.dma_copy(dst=right, src=b)
        sums = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.psum)
        for i in range(32):
            part = slice(i * 16, (i + 1) * 16)
            nisa.nc_matmul(dst=sums[:, part], stationary=left, moving=right[:, part])
        out = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_copy(dst=out, src=sums)
        result = shared(128, 512)
        nisa.dma_copy(dst=result, src=out)
        return result

    operands = (((128, 128), "bfloat16"), ((128, 512), "bfloat16"))
    stream = trace(body, *operands)
    found = only(rules.wider_products, stream)
    tensor = load_chip("trn2").silicon.tensor
    own = 16 + tensor.issue_overhead_cycles.value
    wasted_s = 32 * (tensor.min_cycles.value - own) / 2.4e9
    # At half speed (the throttle) each wasted cycle costs two.
    assert 0 < wasted_s <= found.gain_s * 1.001 <= 2 * wasted_s * 1.001
    assert list(rules.wider_products(situation(trace(product, *operands)))) == []


def bursts(a, b, num):
    """`num` times 20 products, 4.3 us, each on what Vector takes longer to make of the last."""
    left = nl.ndarray((128, 128), dtype=a.dtype, buffer=nl.sbuf)
    right = nl.ndarray((128, 512), dtype=b.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=left, src=a)
    nisa.dma_copy(dst=right, src=b)
    sums = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.psum)
    for _ in range(num):
        for _ in range(20):
            nisa.nc_matmul(dst=sums, stationary=left, moving=right, accumulate=False)
        for _ in range(6):
            nisa.tensor_copy(dst=right, src=sums, engine=nisa.engine.vector)
    result = shared(128, 512, kind="bfloat16")
    nisa.dma_copy(dst=result, src=right)
    return result


@pytest.mark.parametrize("num", [1, 2, 10])
def test_each_pause_of_the_tensor_engine_costs_a_slow_start(num):
    stream = trace(
        lambda a, b: bursts(a, b, num), ((128, 128), "bfloat16"), ((128, 512), "bfloat16")
    )
    found = only(rules.full_clock, stream)
    assert found.gain_s == pytest.approx((num - 1) * TIMING.throttle_ramp_s / 4, abs=1e-9)
    assert ("keep the Tensor engine busy" in {a.title for a in advise(situation(stream))}) == (
        num > 1
    )


def alternating(x, grouped):
    out = shared(2, *x.shape)
    tiles = []
    for i in range(4):
        tile = nl.ndarray((128, 512), dtype=x.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=tile, src=x[i * 128 : (i + 1) * 128])
        tiles.append(tile)
    jobs = [(i, f) for i in range(4) for f in range(2)]
    for i, f in sorted(jobs, key=lambda job: job[1]) if grouped else jobs:
        result = nl.ndarray((128, 512), dtype=nl.float32, buffer=nl.sbuf)
        nisa.activation(dst=result, op=nl.exp if f else nl.tanh, data=tiles[i])
        nisa.dma_copy(dst=out[f, i * 128 : (i + 1) * 128], src=result)
    return out


def num_table_loads(stream):
    tables = [o.work.table for o in stream.instructions if o.work.table]
    return sum(a != b for a, b in zip(tables, ["", *tables], strict=False))


def test_grouped_tables_gain_what_grouping_the_functions_gains():
    mixed = trace(lambda x: alternating(x, False), X)
    grouped = trace(lambda x: alternating(x, True), X)
    if num_table_loads(mixed) == num_table_loads(grouped):
        pytest.skip("the two functions share a table on this chip")
    found = only(rules.grouped_tables, mixed)
    saved = num_table_loads(mixed) - num_table_loads(grouped)
    assert found.gain_s <= saved * TIMING.table_load_s * 1.001
    assert found.gain_s == pytest.approx(seconds(mixed) - seconds(grouped), rel=0.35)
    assert list(rules.grouped_tables(situation(grouped))) == []


def copied(x, columns):
    """Copies of [rows, columns], 32 KiB each: pieces of 4 * columns bytes."""
    rows = 8192 // columns
    out = shared(*x.shape)
    for i in range(8):
        tile = nl.ndarray((rows, columns), dtype=x.dtype, buffer=nl.sbuf)
        part = slice(i * rows, (i + 1) * rows)
        nisa.dma_copy(dst=tile, src=x[part])
        nisa.dma_copy(dst=out[part], src=tile)
    return out


def test_longer_pieces_take_as_long_as_the_kernel_with_longer_rows():
    short = trace(lambda x: copied(x, 64), ((1024, 64), "float32"))
    long = trace(lambda x: copied(x, 512), ((128, 512), "float32"))
    found = only(rules.larger_pieces, short)
    assert seconds(short) - found.gain_s == pytest.approx(seconds(long))
    assert "16 DMAs" in found.detail
    assert list(rules.larger_pieces(situation(long))) == []


def test_two_issuing_engines_take_as_long_as_the_kernel_written_so():
    def body(x, dealt):
        out = shared(*x.shape)
        engines = [nisa.engine.sync, nisa.engine.scalar] if dealt else [nisa.engine.sync]
        for i in range(16):
            tile = nl.ndarray((32, 512), dtype=x.dtype, buffer=nl.sbuf)
            rows = slice(i * 32, (i + 1) * 32)
            hard = nisa.dge_mode.hwdge
            nisa.dma_copy(dst=tile, src=x[rows], dge_mode=hard, engine=engines[0])
            nisa.dma_copy(dst=out[rows], src=tile, dge_mode=hard, engine=engines[-1])
        return out

    one = trace(lambda x: body(x, False), X)
    two = trace(lambda x: body(x, True), X)
    found = only(rules.more_queues, one)
    assert found.gain_s > 0
    assert seconds(one) - found.gain_s == pytest.approx(seconds(two))


def test_a_buffer_of_its_own_for_each_tile_gains_what_rotating_one_costs():
    def body(x, shared_tile):
        out = shared(*x.shape)
        tile = nl.ndarray((128, 512), dtype=x.dtype, buffer=nl.sbuf)
        for i in range(4):
            if not shared_tile:
                tile = nl.ndarray((128, 512), dtype=x.dtype, buffer=nl.sbuf)
            rows = slice(i * 128, (i + 1) * 128)
            nisa.dma_copy(dst=tile, src=x[rows])
            nisa.dma_copy(dst=out[rows], src=tile)
        return out

    one = trace(lambda x: body(x, True), X)
    own = trace(lambda x: body(x, False), X)
    found = only(rules.more_buffers, one)
    assert seconds(one) - found.gain_s == pytest.approx(seconds(own))
    assert only(rules.more_buffers, own).gain_s == pytest.approx(0, abs=1e-12)


def test_reloads_beyond_what_sbuf_holds_are_called_a_bound():
    def body(x):
        out = shared(*x.shape)
        for _ in range(2):
            for i in range(4):
                rows = slice(i * 128, (i + 1) * 128)
                tile = nl.ndarray((128, x.shape[1]), dtype=x.dtype, buffer=nl.sbuf)
                nisa.dma_copy(dst=tile, src=x[rows])
                nisa.dma_copy(dst=out[rows], src=tile)
        return out

    small = only(rules.reloads_removed, trace(body, ((512, 4096), "float32")))
    assert small.basis.startswith("re-timed") and "65,536 bytes" in small.basis
    large = only(rules.reloads_removed, trace(body, ((512, 16384), "float32")))
    assert large.basis.startswith("bound") and "262,144 bytes" in large.basis


def test_waiting_for_dmas_is_not_called_a_matter_of_order():
    stream = trace(lambda x: copied(x, 64), ((1024, 64), "float32"))
    assert list(rules.reordered(situation(stream))) == []


def test_advice_is_ranked_worth_it_and_never_above_the_whole():
    stream = trace(lambda x: scaled(x, again=True), X)
    found = advise(situation(stream))
    gains = [one.gain_s for one in found]
    assert gains == sorted(gains, reverse=True) and found
    assert all(WORTH <= one.fraction <= 1 and one.basis for one in found)


def test_retiming_leaves_the_program_as_it_was():
    stream = trace(lambda x: scaled(x, again=True), X)
    before = seconds(stream)
    works = [one.work for one in stream.instructions]
    advise(situation(stream))
    assert seconds(stream) == before
    assert [one.work for one in stream.instructions] == works
