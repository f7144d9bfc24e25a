"""What a profile advises, done in the kernel: the new profile is as much quicker as it said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.kernel_records import Advice, KernelProfile
from glia.silicon.profile.build import build_profile
from silicon.profile.programs import CHIP, shared, trace

P, WIDE = 128, 512


def product(x, w, own_tiles: bool = True, load_once: bool = True):
    """x[K, M]^T @ w[K, N], with the tiles of both loaded for every product or once."""
    (k, m), n = x.shape, w.shape[1]
    out, lefts, rights = shared(m, n), {}, {}
    sums = nl.ndarray((P, WIDE), nl.float32, nl.psum)
    result = nl.ndarray((P, WIDE), nl.float32, nl.sbuf)
    right = nl.ndarray((P, WIDE), w.dtype, nl.sbuf)
    for row in range(0, m, P):
        for column in range(0, n, WIDE):
            if own_tiles:
                sums = nl.ndarray((P, WIDE), nl.float32, nl.psum)
                result = nl.ndarray((P, WIDE), nl.float32, nl.sbuf)
            for term in range(0, k, P):
                if not load_once or (column, term) not in rights:
                    if own_tiles:
                        right = nl.ndarray((P, WIDE), w.dtype, nl.sbuf)
                    rights[column, term] = right
                    nisa.dma_copy(right, w[term : term + P, column : column + WIDE])
                if not load_once or (row, term) not in lefts:
                    lefts[row, term] = nl.ndarray((P, P), x.dtype, nl.sbuf)
                    nisa.dma_copy(lefts[row, term], x[term : term + P, row : row + P])
                nisa.nc_matmul(sums, lefts[row, term], rights[column, term], accumulate=bool(term))
            nisa.tensor_copy(result, sums)
            nisa.dma_copy(out[row : row + P, column : column + WIDE], result)
    return out


def resident(x, w):
    """Both operands stay; the array is the limit."""
    m, n = x.shape[1], w.shape[1]
    out = shared(m, n)
    left, right = nl.ndarray((P, m), x.dtype, nl.sbuf), nl.ndarray((P, n), w.dtype, nl.sbuf)
    nisa.dma_copy(left, x)
    nisa.dma_copy(right, w)
    for row in range(0, m, P):
        for column in range(0, n, WIDE):
            sums = nl.ndarray((P, WIDE), nl.float32, nl.psum)
            for i in range(6):
                nisa.nc_matmul(
                    sums, left[:, row : row + P], right[:, column : column + WIDE],
                    accumulate=bool(i),
                )  # fmt: skip
            result = nl.ndarray((P, WIDE), nl.float32, nl.sbuf)
            nisa.tensor_copy(result, sums)
            nisa.dma_copy(out[row : row + P, column : column + WIDE], result)
    return out


def scaled_rows(x):
    """Rows of x as they lie in HBM, `x.shape[1]` elements each."""
    out = shared(*x.shape)
    for first in range(0, x.shape[0], P):
        rows = nl.ndarray((P, x.shape[1]), x.dtype, nl.sbuf)
        nisa.dma_copy(rows, x[first : first + P])
        nisa.tensor_scalar(rows, rows, nl.multiply, 2.0)
        nisa.dma_copy(out[first : first + P], rows)
    return out


@dataclass(frozen=True)
class Case:
    """A kernel, one piece of advice, and the kernel after it, which gains `least` of what was said
    and no more than `most` (bf16 halves the loads as well)."""

    title: str
    kernel: Callable[..., Any]
    before: tuple[Any, ...]
    after: tuple[Any, ...]
    options: dict[str, bool] = field(default_factory=dict)
    changed: dict[str, bool] = field(default_factory=dict)
    least: float = 1.0
    most: float = 1.05


MATRICES = ((512, 256), "bfloat16"), ((512, 2048), "bfloat16")
STRIPS = ((128, 512), "float32"), ((128, 2048), "float32")
HALF = ((128, 512), "bfloat16"), ((128, 2048), "bfloat16")
CASES = [
    Case(
        "double-buffer", product, MATRICES, MATRICES,
        {"own_tiles": False, "load_once": False}, {"load_once": False}, 1.0,
    ),
    Case("load each tile once", product, MATRICES, MATRICES, {"load_once": False}, {}, 0.95),
    Case(
        "issue fewer, larger DMAs", scaled_rows, (((4096, 128), "float32"),),
        (((512, 1024), "float32"),), least=0.8,
    ),
    Case("multiply in bf16", resident, STRIPS, HALF, least=0.95),
]  # fmt: skip


def profiled(kernel, inputs, options) -> KernelProfile:
    stream = trace(lambda *given: kernel(*given, **options), *inputs)
    return build_profile((stream,), CHIP, "kernel.py", ())[0]


def part_s(profile: KernelProfile, lines: tuple[str, ...]) -> float:
    return sum(use.critical_s for use in profile.lines if f"{use.file}:{use.line}" in lines)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_what_is_advised_gains_what_it_says(case: Case):
    before = profiled(case.kernel, case.before, case.options)
    after = profiled(case.kernel, case.after, case.changed)
    advice: Advice = next(one for one in before.advice if one.title == case.title)
    gained = before.time.likely - after.time.likely
    assert case.least * advice.gain_s - 1e-12 <= gained <= case.most * advice.gain_s
    for profile in (before, after):
        assert sum(use.critical_s for use in profile.lines) == pytest.approx(profile.time.likely)
    if advice.lines:
        assert part_s(after, advice.lines) < part_s(before, advice.lines)
    if advice.basis.startswith("bound"):
        assert gained <= advice.gain_s + 1e-12
