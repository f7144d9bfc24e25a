"""Square-tiled matrix products as the public optimisation guides describe them, step by step.

out[M, N] = lhs_t[K, M]^T @ rhs[K, N]. Written from the description in aws-neuron-sdk
nki/guides/tutorials/kernel-optimization.rst (versions 2 to 5) and from the three stages that
aws-neuron/neuron-agentic-development measures (naive, blocked, whole rows at once).
"""

from __future__ import annotations

from typing import Any

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl

P, COLUMNS = 128, 512  # one matmul: 128 x 128 stationary, 128 x 512 moving


def tile(shape: tuple[int, int], like: Any) -> Any:
    return nl.ndarray(shape, dtype=like.dtype, buffer=nl.sbuf)


def load(source: Any, row: int, column: int, width: int, height: int = P) -> Any:
    """A [height, width] piece of an HBM matrix in SBUF."""
    made = tile((height, width), source)
    nisa.dma_copy(dst=made, src=source[row : row + height, column : column + width])
    return made


def store(out: Any, row: int, column: int, total: Any) -> None:
    """PSUM through SBUF to HBM."""
    rows, width = total.shape
    made = tile((rows, width), out)
    nisa.tensor_copy(dst=made, src=total)
    nisa.dma_copy(dst=out[row : row + rows, column : column + width], src=made)


def sums() -> Any:
    return nl.ndarray((P, COLUMNS), dtype=nl.float32, buffer=nl.psum)


def result(lhs_t: Any, rhs: Any) -> Any:
    shape = (lhs_t.shape[1], rhs.shape[1])
    return nl.ndarray(shape, dtype=lhs_t.dtype, buffer=nl.shared_hbm)


@nki.jit
def naive(lhs_t, rhs):
    """Both tiles of every matmul are loaded just before it."""
    out, (k, m), n = result(lhs_t, rhs), lhs_t.shape, rhs.shape[1]
    for row in range(0, m, P):
        for column in range(0, n, COLUMNS):
            total = sums()
            for term in range(0, k, P):
                left = load(lhs_t, term, row, P)
                right = load(rhs, term, column, COLUMNS)
                nisa.nc_matmul(dst=total, stationary=left, moving=right)
            store(out, row, column, total)
    return out


@nki.jit
def naive_reused(lhs_t, rhs, columns=3):
    """`naive` after the removal of loads that fetch what SBUF still holds: a tile of lhs_t serves
    `columns` columns of results."""
    out, (k, m), n = result(lhs_t, rhs), lhs_t.shape, rhs.shape[1]
    for row in range(0, m, P):
        lefts: dict[int, Any] = {}
        for number, column in enumerate(range(0, n, COLUMNS)):
            total = sums()
            for term in range(0, k, P):
                if number % columns == 0:
                    lefts[term] = load(lhs_t, term, row, P)
                right = load(rhs, term, column, COLUMNS)
                nisa.nc_matmul(dst=total, stationary=lefts[term], moving=right)
            store(out, row, column, total)
    return out


@nki.jit
def columns_first(lhs_t, rhs):
    """All of K of an lhs_t column is loaded once per row block, all of K of rhs once per tile."""
    out, (k, m), n = result(lhs_t, rhs), lhs_t.shape, rhs.shape[1]
    for row in range(0, m, P):
        lefts = [load(lhs_t, term, row, P) for term in range(0, k, P)]
        for column in range(0, n, COLUMNS):
            rights = [load(rhs, term, column, COLUMNS) for term in range(0, k, P)]
            total = sums()
            for left, right in zip(lefts, rights, strict=True):
                nisa.nc_matmul(dst=total, stationary=left, moving=right)
            store(out, row, column, total)
    return out


@nki.jit
def blocked(lhs_t, rhs, rows=2, columns=2):
    """Blocks of `rows` x `columns` tiles share the tiles that were loaded for them."""
    out, (k, m), n = result(lhs_t, rhs), lhs_t.shape, rhs.shape[1]
    for row in range(0, m, P * rows):
        lefts = [
            [load(lhs_t, term, row + i * P, P) for term in range(0, k, P)] for i in range(rows)
        ]
        for column in range(0, n, COLUMNS * columns):
            rights = [
                [load(rhs, term, column + j * COLUMNS, COLUMNS) for term in range(0, k, P)]
                for j in range(columns)
            ]
            for i in range(rows):
                for j in range(columns):
                    total = sums()
                    for left, right in zip(lefts[i], rights[j], strict=True):
                        nisa.nc_matmul(dst=total, stationary=left, moving=right)
                    store(out, row + i * P, column + j * COLUMNS, total)
    return out


@nki.jit
def blocked_in_k(lhs_t, rhs, rows=16, columns=2, terms=8):
    """K is blocked too: long rows per load, partial sums added up in SBUF."""
    out, (k, m), n = result(lhs_t, rhs), lhs_t.shape, rhs.shape[1]
    width = COLUMNS * columns
    for column in range(0, n, width):
        partial = [[zeros(lhs_t) for _ in range(columns)] for _ in range(m // P)]
        for term in range(0, k, P * terms):
            rights = [load(rhs, term + i * P, column, width) for i in range(terms)]
            for row in range(0, m, P * rows):
                lefts = [load(lhs_t, term + i * P, row, P * rows) for i in range(terms)]
                for j in range(columns):
                    for i in range(rows):
                        add_block(partial[row // P + i][j], lefts, rights, i, j)
        for i, pieces in enumerate(partial):
            packed = tile((P, width), out)
            for j, piece in enumerate(pieces):
                nisa.tensor_copy(dst=packed[:, j * COLUMNS : (j + 1) * COLUMNS], src=piece)
            nisa.dma_copy(dst=out[i * P : (i + 1) * P, column : column + width], src=packed)
    return out


def zeros(like: Any) -> Any:
    made = tile((P, COLUMNS), like)
    nisa.memset(dst=made, value=0.0)
    return made


def add_block(partial: Any, lefts: list[Any], rights: list[Any], i: int, j: int) -> None:
    """partial += the products of one block of K."""
    total = sums()
    for left, right in zip(lefts, rights, strict=True):
        nisa.nc_matmul(
            dst=total,
            stationary=left[:, i * P : (i + 1) * P],
            moving=right[:, j * COLUMNS : (j + 1) * COLUMNS],
        )
    nisa.tensor_tensor(dst=partial, data1=partial, data2=total, op=nl.add)


@nki.jit
def long_rows(lhs_t, rhs, rows=8, columns=2):
    """`blocked` with one long row per load: a block's rows of lhs_t, then per block its of rhs."""
    out, (k, m), n = result(lhs_t, rhs), lhs_t.shape, rhs.shape[1]
    width, height = COLUMNS * columns, P * rows
    for row in range(0, m, height):
        lefts = [load(lhs_t, term, row, height) for term in range(0, k, P)]
        for column in range(0, n, width):
            rights = [load(rhs, term, column, width) for term in range(0, k, P)]
            for i in range(rows):
                for j in range(columns):
                    total = sums()
                    for left, right in zip(lefts, rights, strict=True):
                        nisa.nc_matmul(
                            dst=total,
                            stationary=left[:, i * P : (i + 1) * P],
                            moving=right[:, j * COLUMNS : (j + 1) * COLUMNS],
                        )
                    store(out, row + i * P, column + j * COLUMNS, total)
    return out


@nki.jit
def blocked_in_place(lhs_t, rhs, rows=8, columns=2):
    """`blocked` with buffers that are declared once and indexed, a PSUM bank per row of tiles: the
    next block's loads and sums wait until the present block is done with them."""
    out, (k, m), n = result(lhs_t, rhs), lhs_t.shape, rhs.shape[1]
    terms = range(0, k, P)
    lefts = [[tile((P, P), lhs_t) for _ in terms] for _ in range(rows)]
    rights = [[tile((P, COLUMNS), rhs) for _ in terms] for _ in range(columns)]
    totals = [sums() for _ in range(rows)]
    for row in range(0, m, P * rows):
        for i in range(rows):
            fill(lefts[i], lhs_t, row + i * P)
        for column in range(0, n, COLUMNS * columns):
            for j in range(columns):
                fill(rights[j], rhs, column + j * COLUMNS)
            for i in range(rows):
                for j in range(columns):
                    for term, (left, right) in enumerate(zip(lefts[i], rights[j], strict=True)):
                        nisa.nc_matmul(
                            dst=totals[i], stationary=left, moving=right, accumulate=term > 0
                        )
                    store(out, row + i * P, column + j * COLUMNS, totals[i])
    return out


def fill(tiles: list[Any], source: Any, column: int) -> None:
    """Load a column of tiles of an HBM matrix."""
    for i, made in enumerate(tiles):
        rows, width = made.shape
        nisa.dma_copy(dst=made, src=source[i * rows : (i + 1) * rows, column : column + width])


@nki.jit
def back_to_back(lhs_t, rhs, count=2048):
    """`count` matmuls of full size on operands that stay: the peak of the array."""
    out = nl.ndarray((P, COLUMNS), dtype=lhs_t.dtype, buffer=nl.shared_hbm)
    left, right = load(lhs_t, 0, 0, P), load(rhs, 0, 0, COLUMNS)
    total = sums()
    for _ in range(count):
        nisa.nc_matmul(dst=total, stationary=left, moving=right)
    store(out, 0, 0, total)
    return out
