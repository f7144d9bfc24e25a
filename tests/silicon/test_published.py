"""Small published timings, and what engines may not do at once; the figures are the public ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.chips import load_chip
from glia.isa.target import target_of
from glia.silicon import Timing, schedule
from glia.silicon.time.cost import transfer_s
from glia.silicon.time.timing import BOUNDS
from silicon.profile.programs import shared, trace

TIMES = 200


def each_s(chip: str, body: Callable[[], None]) -> list[float]:
    """Seconds of one repetition of what `body` does `TIMES` times, at the three ends."""

    def kernel():
        body()
        out, tile = shared(128, 8), sbuf(8)
        nisa.dma_copy(out, tile)
        return out

    stream, silicon = trace(kernel, target=target_of(chip)), load_chip(chip).silicon
    return [schedule(stream, Timing.of(silicon, bound)).makespan_s / TIMES for bound in BOUNDS]


def sbuf(columns: int, kind=nl.float32):
    tile = nl.ndarray((128, columns), kind, nl.sbuf)
    nisa.memset(tile, 0.0)
    return tile


def dependent_activations() -> None:
    value, bias = sbuf(1), sbuf(1)
    for _ in range(TIMES):
        nisa.activation(value, nl.exp, value, bias=bias)


def fp32_products() -> None:
    left, right = sbuf(128), sbuf(512)
    sums = nl.ndarray((128, 512), nl.float32, nl.psum)
    for _ in range(TIMES):
        nisa.nc_matmul(sums, left, right, accumulate=False)


def products_of(columns: int) -> Callable[[], None]:
    def body() -> None:
        left, right = sbuf(128, nl.bfloat16), sbuf(columns, nl.bfloat16)
        sums = nl.ndarray((128, columns), nl.float32, nl.psum)
        for _ in range(TIMES):
            nisa.nc_matmul(sums, left, right, accumulate=False)

    return body


def test_products_of_one_column_start_every_64_cycles_of_the_array():
    """nki_perf_guide.rst, short moving tensors, of trn1: one product roughly every 64 cycles, as
    128 moving columns take 128: cycles of the array's own clock."""
    low, likely, high = (s * 2.8e9 for s in each_s("trn1", products_of(1)))
    launched = 10  # cycles of each repetition: loads, stores and latencies around all of them
    assert 64 <= low <= likely <= 65 + launched <= high <= 90 + 1 + 2 * launched
    low, likely, high = (s * 2.8e9 for s in each_s("trn1", products_of(128)))
    assert 128 <= low <= 128 + launched < likely <= high


@pytest.mark.parametrize(
    ("chip", "body", "published_s"),
    [
        # nki_perf_guide.rst: 264 cycles of the Scalar engine on NC-v2.
        ("trn1", dependent_activations, 189e-9),
        # 13 to 17 % lost on 2,048 cycles (NKIBench fp32 runs); trn2: 2,062 cycles.
        ("trn1", fp32_products, (2048 + 350) / 2.8e9),
        ("trn2", fp32_products, 2062 / 2.4e9),
    ],
)
def test_published_times_lie_in_the_interval_and_near(chip, body, published_s):
    low, likely, high = each_s(chip, body)
    assert likely == pytest.approx(published_s, rel=0.04)
    assert low * 0.98 <= published_s <= high * 1.02


@pytest.mark.parametrize(
    ("rows", "columns", "published_s"),
    # nki-dma-overview.rst, bf16 on trn2: four rows take one engine, 128 all of them (97 ns each,
    # read off the picture).
    [(4, 4096, 1416e-9), (128, 128, 97e-9)],
)
def test_a_dma_takes_one_engine_for_eight_partitions(rows, columns, published_s):
    def kernel(x):
        tile = nl.ndarray(x.shape, x.dtype, nl.sbuf)
        nisa.dma_copy(tile, x)
        return ()

    stream = trace(kernel, ((rows, columns), "bfloat16"))
    silicon = load_chip("trn2").silicon
    (move,) = (one.work.dma for one in stream.instructions)
    low, likely, high = (transfer_s(move, Timing.of(silicon, bound)) for bound in BOUNDS)
    assert likely == pytest.approx(published_s, rel=0.1)
    assert low <= published_s <= high * 1.02


def copies(first, second) -> Callable[[], None]:
    """Two engines that copy, each from its own source; independent of each other."""

    def body() -> None:
        sources = first(), second()
        results = [sbuf(s.shape[1], s.dtype) for s, _ in sources]
        for _ in range(TIMES):
            for (source, on), result in zip(sources, results, strict=True):
                if on is nisa.engine.scalar:
                    nisa.activation(result, nl.copy, source)
                else:
                    nisa.tensor_copy(result, source, engine=on)

    return body


def from_sbuf(on, columns: int = 512, kind=nl.float32):
    return lambda: (sbuf(columns, kind), on)


def both(chip: str, first, second) -> list[tuple[float, float, float]]:
    """Seconds of the pair, and of each engine alone."""
    together = each_s(chip, copies(first, second))
    alone = [each_s(chip, copies(one, one)) for one in (first, second)]
    return [(t, a / 2, b / 2) for t, a, b in zip(together, *alone, strict=True)]


@pytest.mark.parametrize("chip", ["trn2", "trn3"])
def test_fast_modes_of_vector_and_gpsimd_take_turns_but_at_the_fast_end(chip):
    """Copies of fp32 run at two elements a cycle, over the bus that GpSimd uses too."""
    pair = both(chip, from_sbuf(nisa.engine.vector), from_sbuf(nisa.engine.gpsimd))
    for number, (together, vector, gpsimd) in enumerate(pair):
        expected = max(vector, gpsimd) if number == 0 else vector + gpsimd
        assert together == pytest.approx(expected, rel=0.05)


def psum_halves(same: bool) -> Callable[[], None]:
    def body() -> None:
        banks = [nl.ndarray((128, 512), nl.float32, nl.psum) for _ in range(2)]
        for bank in banks:
            nisa.memset(bank, 0.0, engine=nisa.engine.vector)
        sources = banks[0][:, :256], banks[0][:, 256:] if same else banks[1][:, 256:]
        results = sbuf(256), sbuf(256)
        for _ in range(TIMES):
            nisa.tensor_copy(results[0], sources[0], engine=nisa.engine.vector)
            nisa.activation(results[1], nl.copy, sources[1])

    return body


@pytest.mark.parametrize("chip", ["trn2", "trn3"])
def test_vector_and_scalar_collide_on_one_bank_of_psum_only(chip):
    same, apart = each_s(chip, psum_halves(True)), each_s(chip, psum_halves(False))
    assert same[0] == pytest.approx(apart[0])
    assert same[1] > 1.4 * apart[1] and same[2] > 1.4 * apart[2]
