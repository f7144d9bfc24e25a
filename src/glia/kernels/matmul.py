"""Matrix products: graph ops `linear` and `dot_general` (2-D, or with one batch dim).

out[M, N] = activation(lhs[M, K] @ rhs[K, N] + bias[N]). The Tensor engine wants K on partitions:
lhs is its stationary operand [K, 128], rhs the moving one [K, 512]; what lies the other way in HBM
is transposed on the Tensor engine first. Sums over K stay in PSUM in fp32. A block of lhs stays in
SBUF while all of rhs passes by. Accepts any M, K, N >= 1 in fp32 or bf16.
"""

from __future__ import annotations

import itertools
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
    hbm,
    itemsize,
    load_broadcast,
    load_columns,
    load_rows,
    psum,
    sbuf,
    sbuf_bytes,
    spans,
    take_turns,
    turn_rows,
)

DTYPES = ("float32", "bfloat16")
ACTIVATIONS = ("gelu", "gelu_tanh", "tanh", "relu", "silu", "logistic")
_BANK = 512  # fp32 columns of one PSUM bank, and the most that one matmul moves
_BANKS_OF_SUMS = 6  # of 8; the others serve transposes
_STRIP = 512  # rows of lhs that are loaded together


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
    num_rows = x.shape[1] if lhs_transposed else x.shape[0]
    out = hbm(num_rows, w.shape[1], dtype=x.dtype)
    multiply(out, Operands(x, w, bias, lhs_transposed, False), activation)
    return out


@nki.jit
def batched_matmul(a: Any, b: Any, rhs_transposed: bool = False) -> Any:
    """a[B, M, K] @ b[B, K, N] for each batch; b is [B, N, K] when `rhs_transposed`."""
    num_batches, num_rows, _ = a.shape
    num_columns = b.shape[1] if rhs_transposed else b.shape[2]
    out = hbm(num_batches, num_rows, num_columns, dtype=a.dtype)
    for i in range(num_batches):
        multiply(out[i], Operands(a[i], b[i], None, False, rhs_transposed), None)
    return out


def multiply(out: Any, operands: Operands, activation: str | None) -> None:
    """Fill out[M, N] step by step.

    The loads of a strip are issued one strip before it, the transposes of a step one step before.
    """
    k = operands.k
    blocks = choose_blocks(k, out.shape[1], itemsize(out.dtype), sbuf_bytes())
    steps = order_of_work(out.shape[0], out.shape[1], k, blocks)
    sums = [psum(P, blocks.n) for _ in range(_BANKS_OF_SUMS // ceil_div(blocks.n, _BANK))]
    engines = take_turns(nisa.engine.vector, nisa.engine.scalar)
    if activation is not None:
        operands.turns = take_turns(nisa.engine.vector)  # the Scalar engine has enough to do
    strips = [list(strip) for _, strip in itertools.groupby(steps, key=Step.loads)]
    operands.fetch(steps[0], blocks)
    for step, following, ahead in zip(steps, steps[1:] + steps[-1:], _ahead(strips), strict=True):
        operands.fetch(ahead, blocks)
        stationary, moving = operands.stationary(step, blocks), operands.moving(step)
        operands.stationary(following, blocks)
        total = sums[step.turn % len(sums)][0 : step.rows[1], 0 : step.columns[1]]
        accumulate(total, stationary, moving, step.terms)
        if sum(step.terms) == k:
            place = out[_span(step.rows), _span(step.columns)]
            finish(place, total, operands.shift(step), activation, engines)


def _ahead(strips: list[list[Step]]) -> list[Step]:
    """For each step the first step of the next strip, or of the last one."""
    return [
        after[0]
        for strip, after in zip(strips, strips[1:] + strips[-1:], strict=True)
        for _ in strip
    ]


def _span(piece: tuple[int, int]) -> slice:
    return slice(piece[0], sum(piece))


# -- the order of work ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Blocks:
    """Rows of lhs (m), columns of rhs (n) and terms of K (k) in SBUF at once.

    `lhs_stays`: a block of lhs with all of its K stays while all columns of rhs pass by.
    """

    m: int
    n: int
    k: int
    lhs_stays: bool


@dataclass(frozen=True)
class Step:
    """A tile of up to 128 rows times some columns over some terms of K, each as (start, size).

    `strip`: the rows that are loaded together with it. `block`: first row of its block of lhs.
    `turn`: sums begun before it; sums take turns in the banks set aside for them.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    terms: tuple[int, int]
    strip: tuple[int, int]
    block: int
    turn: int

    def loads(self) -> tuple[Any, ...]:
        """The same for all steps whose operands are loaded together."""
        return (self.strip, self.columns, self.terms)


def choose_blocks(k: int, n: int, element_bytes: int, budget_bytes: int) -> Blocks:
    """The largest blocks for `budget_bytes` of SBUF per partition.

    All of K at once while four fifths of SBUF hold a block of lhs, two of rhs, and a strip of lhs
    before and after its transpose. Else K comes in chunks, and the sums of a block of 512 x 512
    wait in PSUM for the next chunk.
    """
    column_bytes = ceil_div(k, P) * element_bytes  # of all K, per partition
    room = budget_bytes * 4 // 5 // column_bytes - 2 * _STRIP  # columns for lhs and two of rhs
    widest = min(3, (room - _STRIP) // (2 * _BANK)) * _BANK
    if widest > 0:
        num_blocks = ceil_div(n, widest)
        n_block = ceil_div(ceil_div(n, num_blocks), _BANK) * _BANK
        m_block = (room - 2 * n_block) // _STRIP * _STRIP
        return Blocks(m_block, n_block, k, True)
    k_block = budget_bytes // 7 // (_BANK * element_bytes) * P
    m_block = min(_STRIP, budget_bytes * 2 // 5 // (column_bytes * P) * P)
    return Blocks(m_block or _STRIP, _BANK, k_block, m_block > 0)


def order_of_work(m: int, n: int, k: int, blocks: Blocks) -> list[Step]:
    """All columns pass by a block of rows; all rows of the block by a block of columns."""
    steps, turn = [], 0
    for m0, m_size in spans(m, blocks.m):
        for columns in spans(n, blocks.n):
            for terms in spans(k, blocks.k):
                for i, (start, size) in enumerate(spans(m_size, P)):
                    first = start // _STRIP * _STRIP
                    strip = (m0 + first, min(_STRIP, m_size - first))
                    steps.append(Step((m0 + start, size), columns, terms, strip, m0, turn + i))
            turn += ceil_div(m_size, P)
    return steps


# -- operands -------------------------------------------------------------------------------------


class Operands:
    """lhs, rhs and bias of a product, on chip with K on partitions; each part loaded once per use.

    A key names what a part covers. A part is forgotten by no one: its memory is free after its
    last use, and a later pass of the same columns has another key.
    """

    def __init__(
        self, lhs: Any, rhs: Any, bias: Any, lhs_transposed: bool, rhs_transposed: bool
    ) -> None:
        self.lhs, self.rhs, self.bias = lhs, rhs, bias
        self.k = lhs.shape[0] if lhs_transposed else lhs.shape[1]
        self._lhs_transposed, self._rhs_transposed = lhs_transposed, rhs_transposed
        self.turns = take_turns(nisa.engine.vector, nisa.engine.scalar)
        self._parts: dict[tuple[Any, ...], Any] = {}

    def fetch(self, step: Step, blocks: Blocks) -> None:
        """Issue the loads that the step needs and that no step before it has issued."""
        load_lhs = load_columns if self._lhs_transposed else load_rows
        load_rhs = load_rows if self._rhs_transposed else load_columns
        strip = self._lhs_key("strip", step.strip, step, blocks)
        self._once(strip, lambda: load_lhs(self.lhs, *step.terms, *step.strip))
        self._once(_rhs_key("rhs", step), lambda: load_rhs(self.rhs, *step.terms, *step.columns))
        if self.bias is not None:
            key = ("bias", step.block, step.columns)
            self._once(key, lambda: load_broadcast(self.bias, *step.columns))

    def stationary(self, step: Step, blocks: Blocks) -> Any:
        """The step's rows of lhs as [128, ceil(k / 128), rows]."""
        strip = self._parts[self._lhs_key("strip", step.strip, step, blocks)]
        start, size = step.rows[0] - step.strip[0], step.rows[1]
        if self._lhs_transposed:
            return strip[:, :, start : start + size]
        key = self._lhs_key("turned", step.rows, step, blocks)
        return self._once(key, lambda: turn_rows([strip[start // P]], self.turns))

    def moving(self, step: Step) -> Any:
        """The step's columns of rhs as [128, ceil(k / 128), columns]."""
        loaded = self._parts[_rhs_key("rhs", step)]
        if not self._rhs_transposed:
            return loaded
        return self._once(_rhs_key("rhs turned", step), lambda: turn_rows(loaded, self.turns))

    def shift(self, step: Step) -> Any:
        """The bias of the step's columns on every partition, if there is one."""
        return self._parts.get(("bias", step.block, step.columns))

    def _once(self, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        if key not in self._parts:
            self._parts[key] = make()
        return self._parts[key]

    def _lhs_key(
        self, what: str, rows: tuple[int, int], step: Step, blocks: Blocks
    ) -> tuple[Any, ...]:
        return (what, rows, step.terms, None if blocks.lhs_stays else step.columns)


def _rhs_key(what: str, step: Step) -> tuple[Any, ...]:
    return (what, step.block, step.columns, step.terms)


# -- the mathematics ------------------------------------------------------------------------------


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


def finish(out: Any, sums: Any, shift: Any, activation: str | None, engines: Iterator[Any]) -> None:
    """out = activation(sums + shift), on the way from PSUM to HBM."""
    rows, columns = sums.shape
    result = sbuf(rows, columns, dtype=out.dtype)
    if shift is not None:
        biased = result if activation is None else sbuf(rows, columns)
        nisa.tensor_tensor(dst=biased, data1=sums, data2=shift[0:rows], op=nl.add)
        sums = biased
    if activation is not None:
        nisa.activation(dst=result, op=_function(activation), data=sums)
    elif shift is None:
        evacuate(result, sums, next(engines))
    nisa.dma_copy(dst=out, src=result)


def _function(activation: str) -> Any:
    """The Scalar engine's function for an activation of the graph."""
    names = {"gelu_tanh": "gelu_apprx_tanh", "logistic": "sigmoid"}
    return getattr(nl, names.get(activation, activation))
