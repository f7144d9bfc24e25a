"""Matrix products: graph ops `linear` and `dot_general` (2-D, or with one batch dim).

out[M, N] = activation(lhs[M, K] @ rhs[K, N] + bias[N]). The Tensor engine wants K on partitions:
the lhs is its stationary operand [K, 128], the rhs the moving one [K, 512]; an operand that lies
the other way in HBM is transposed on the Tensor engine first. Sums over K stay in PSUM in fp32.
A block of lhs stays in SBUF while all of rhs passes by. Accepts any M, K, N >= 1 in fp32 or bf16.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.kernels._tiles import (
    P,
    ceil_div,
    evacuate,
    fetch_columns,
    fetch_transposed,
    hbm,
    itemsize,
    load_broadcast,
    psum,
    sbuf,
    sbuf_bytes,
    spans,
)

DTYPES = ("float32", "bfloat16")
ACTIVATIONS = ("gelu", "gelu_tanh", "tanh", "relu", "silu", "logistic")
_BANK = 512  # fp32 columns of one PSUM bank, and the most that one matmul moves
_STRIP = 512  # lhs rows that are fetched and multiplied in one step


def accepts(dtype: str, activation: str | None = None) -> bool:
    """True when `linear` and `batched_matmul` compute in this dtype with this activation."""
    return dtype in DTYPES and (activation is None or activation in ACTIVATIONS)


@nki.jit
def linear(
    x: Any,
    w: Any,
    bias: Any = None,
    activation: str | None = None,
    lhs_transposed: bool = False,
) -> Any:
    """activation(x[M, K] @ w[K, N] + bias[N]); x is [K, M] when `lhs_transposed`."""
    num_tokens = x.shape[1] if lhs_transposed else x.shape[0]
    out = hbm(num_tokens, w.shape[1], dtype=x.dtype)
    fetch = fetch_columns if lhs_transposed else fetch_transposed
    multiply(out, x, w, fetch, fetch_columns, bias, activation)
    return out


@nki.jit
def batched_matmul(a: Any, b: Any, rhs_transposed: bool = False) -> Any:
    """a[B, M, K] @ b[B, K, N] for each batch; b is [B, N, K] when `rhs_transposed`."""
    num_batches, num_rows, _ = a.shape
    num_columns = b.shape[1] if rhs_transposed else b.shape[2]
    out = hbm(num_batches, num_rows, num_columns, dtype=a.dtype)
    fetch = fetch_transposed if rhs_transposed else fetch_columns
    for i in range(num_batches):
        multiply(out[i], a[i], b[i], fetch_transposed, fetch)
    return out


def multiply(
    out: Any,
    lhs: Any,
    rhs: Any,
    fetch_lhs: Callable[..., Any],
    fetch_rhs: Callable[..., Any],
    bias: Any = None,
    activation: str | None = None,
) -> None:
    """Fill out[M, N] step by step; the loads of a step are issued before the step before it.

    The fetchers give operands with K on partitions. One step is a strip of up to 512 rows.
    """
    k = lhs.shape[0] if fetch_lhs is fetch_columns else lhs.shape[1]
    blocks = choose_blocks(k, out.shape[1], itemsize(lhs.dtype), sbuf_bytes())
    steps = list(order_of_work(out.shape[0], out.shape[1], k, blocks))
    tiles: dict[tuple[Any, ...], Any] = {}

    def fetch(step: Step) -> None:
        if step.lhs_key not in tiles:
            tiles[step.lhs_key] = fetch_lhs(lhs, *step.terms, *step.rows)
        if step.rhs_key not in tiles:
            tiles[step.rhs_key] = fetch_rhs(rhs, *step.terms, *step.columns)
            if bias is not None and step.terms[0] == 0:
                tiles[step.shift_key] = load_broadcast(bias, *step.columns)

    sums: dict[int, Any] = {}
    fetch(steps[0])
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if following is not None:
            fetch(following)
        stationary, moving = tiles[step.lhs_key](), tiles[step.rhs_key]()
        n0, n_size = step.columns
        for t0, t_size in spans(step.rows[1], P):
            row = step.rows[0] + t0
            if step.terms[0] == 0:
                sums[row] = psum(t_size, n_size)
            accumulate(sums[row], stationary[:, :, t0 : t0 + t_size], moving, step.terms)
            if sum(step.terms) == k:
                place = out[row : row + t_size, n0 : n0 + n_size]
                finish(place, sums[row], tiles.get(step.shift_key), activation, row // P)


@dataclass(frozen=True)
class Step:
    """Rows, columns and terms of a product, as (start, size); and what names their tiles."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    terms: tuple[int, int]
    lhs_key: tuple[Any, ...]
    rhs_key: tuple[Any, ...]
    shift_key: tuple[Any, ...]


def order_of_work(m: int, n: int, k: int, blocks: tuple[int, int, int, bool]) -> Iterator[Step]:
    """All columns pass by a block of rows; all rows of the block by a block of columns."""
    m_block, n_block, k_block, lhs_stays = blocks
    for m0, m_size in spans(m, m_block):
        for columns in spans(n, n_block):
            for terms in spans(k, k_block):
                for s0, s_size in spans(m_size, _STRIP):
                    lhs_key = ("lhs", m0 + s0, terms, None if lhs_stays else columns)
                    rhs_key = ("rhs", m0, columns, terms)
                    rows, shift_key = (m0 + s0, s_size), ("shift", m0, columns)
                    yield Step(rows, columns, terms, lhs_key, rhs_key, shift_key)


def choose_blocks(
    k: int, n: int, element_bytes: int, budget_bytes: int
) -> tuple[int, int, int, bool]:
    """Rows of lhs, columns of rhs and terms of K to hold at once; whether lhs stays for all of N.

    All of K at once while four fifths of SBUF hold a block of lhs, two of rhs, and a strip of lhs
    before and after its transpose. Else K comes in chunks, and the sums of a block of 512 x 512
    wait in half of PSUM for the next chunk.
    """
    column_bytes = ceil_div(k, P) * element_bytes  # of all K, per partition
    room = budget_bytes * 4 // 5 // column_bytes - 2 * _STRIP  # columns for lhs and two of rhs
    widest = min(3, (room - _STRIP) // (2 * _BANK)) * _BANK
    if widest > 0:
        num_blocks = ceil_div(n, widest)
        n_block = ceil_div(ceil_div(n, num_blocks), _BANK) * _BANK
        m_block = (room - 2 * n_block) // _STRIP * _STRIP
        return m_block, n_block, k, True
    k_block = budget_bytes // 7 // (_BANK * element_bytes) * P
    m_block = min(_STRIP, budget_bytes * 2 // 5 // (column_bytes * P) * P)
    return m_block or _STRIP, _BANK, k_block, m_block > 0


def accumulate(sums: Any, stationary: Any, moving: Any, terms: tuple[int, int]) -> None:
    """sums[T, N] (+)= stationary[K, T]^T @ moving[K, N]; the sums begin with term 0 of K."""
    k_start, k_size = terms
    for k0, rows in spans(k_size, P):
        for n0, n_size in spans(sums.shape[1], _BANK):
            nisa.nc_matmul(
                dst=sums[:, n0 : n0 + n_size],
                stationary=stationary[0:rows, k0 // P],
                moving=moving[0:rows, k0 // P, n0 : n0 + n_size],
                accumulate=k_start + k0 > 0,
            )


def finish(out: Any, sums: Any, shift: Any, activation: str | None, turn: int) -> None:
    """out = activation(sums + shift), on the way from PSUM to HBM."""
    rows, columns = sums.shape
    result = sbuf(rows, columns, dtype=out.dtype)
    if shift is not None:
        biased = result if activation is None else sbuf(rows, columns, dtype=nl.float32)
        nisa.tensor_tensor(dst=biased, data1=sums, data2=shift[0:rows], op=nl.add)
        sums = biased
    if activation is not None:
        nisa.activation(dst=result, op=_function(activation), data=sums)
    elif shift is None:
        evacuate(result, sums, turn)
    nisa.dma_copy(dst=out, src=result)


def _function(activation: str) -> Any:
    """The Scalar engine's function for an activation of the graph."""
    names = {"gelu_tanh": "gelu_apprx_tanh", "logistic": "sigmoid"}
    return getattr(nl, names.get(activation, activation))
