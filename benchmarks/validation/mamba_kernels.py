"""One Mamba-v1 layer in float32, in the three stages of the public tutorial.

Written from the description in aws-neuron-sdk nki/guides/tutorials/fused_mamba.rst. Per channel
tile and state: exp(delta * A) on the Scalar engine, delta * u, times B, scan, times C and the sum
over states on the Vector engine. delta and u are [channels, length], A [channels, states], B and C
[states, length]; channels lie on partitions.
"""

from __future__ import annotations

from typing import Any

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl

P = 128


def sbuf(rows: int, columns: int) -> Any:
    return nl.ndarray((rows, columns), dtype=nl.float32, buffer=nl.sbuf)


def load(source: Any) -> Any:
    made = sbuf(*source.shape)
    nisa.dma_copy(dst=made, src=source)
    return made


def ones() -> Any:
    made = sbuf(1, P)
    nisa.memset(dst=made, value=1.0)
    return made


def broadcast(
    source: Any, state: int, columns: slice, column_of_ones: Any, copied: bool = False
) -> Any:
    """One row of B or C in all partitions, by a product with a column of ones; it stays in PSUM,
    where vector instructions of two operands read it at full rate, unless `copied` to SBUF."""
    row = load(source[state : state + 1, columns])
    width = row.shape[1]
    out = nl.ndarray((P, width), dtype=nl.float32, buffer=nl.psum)
    for start in range(0, width, 512):
        piece = slice(start, min(start + 512, width))
        nisa.nc_matmul(dst=out[:, piece], stationary=column_of_ones, moving=row[:, piece])
    if not copied:
        return out
    in_sbuf = sbuf(P, width)
    nisa.activation(dst=in_sbuf, op=nl.copy, data=out)
    return in_sbuf


def product(one: Any, other: Any) -> Any:
    made = sbuf(*one.shape)
    nisa.tensor_tensor(dst=made, data1=one, data2=other, op=nl.multiply)
    return made


def step(total: Any, delta: Any, delta_u: Any, a: Any, b: Any, c: Any, initial: Any) -> Any:
    """Add one state's contribution to `total`; returns the scan, whose last column carries on."""
    width = delta.shape[1]
    decay, scan = sbuf(P, width), sbuf(P, width)
    nisa.activation(dst=decay, op=nl.exp, data=delta, scale=a)
    driven = product(delta_u, b)
    nisa.tensor_tensor_scan(
        dst=scan, data0=decay, data1=driven, initial=initial, op0=nl.multiply, op1=nl.add
    )
    nisa.tensor_tensor(dst=total, data1=total, data2=product(scan, c), op=nl.add)
    return scan


def zeros(rows: int, columns: int) -> Any:
    made = sbuf(rows, columns)
    nisa.memset(dst=made, value=0.0)
    return made


@nki.jit
def states_outside(delta, u, a, b, c, copied=False):
    """First version: delta and u are loaded, and multiplied, again for every state."""
    out = nl.ndarray(delta.shape, dtype=nl.float32, buffer=nl.shared_hbm)
    channels, length = delta.shape
    tiles, column, whole = range(0, channels, P), ones(), slice(0, length)
    totals = [zeros(P, length) for _ in tiles]
    for state in range(a.shape[1]):
        for total, first in zip(totals, tiles, strict=True):
            rows = slice(first, first + P)
            d, v = load(delta[rows]), load(u[rows])
            a_i = load(a[rows, state : state + 1])
            b_i, c_i = (broadcast(row, state, whole, column, copied) for row in (b, c))
            step(total, d, product(d, v), a_i, b_i, c_i, 0.0)
    for total, first in zip(totals, tiles, strict=True):
        nisa.dma_copy(dst=out[first : first + P], src=total)
    return out


@nki.jit
def channels_outside(delta, u, a, b, c, tile=None):
    """Second version: delta and u stay while all states pass. Third: `tile` columns of the sequence
    at a time, the scan carried from one to the next."""
    out = nl.ndarray(delta.shape, dtype=nl.float32, buffer=nl.shared_hbm)
    channels, length = delta.shape
    width, column = tile or length, ones()
    for first in range(0, channels, P):
        rows = slice(first, first + P)
        total = zeros(P, length)
        d, v = load(delta[rows]), load(u[rows])
        parts = [slice(start, start + width) for start in range(0, length, width)]
        for state in range(a.shape[1]):
            a_i = load(a[rows, state : state + 1])
            carried: Any = 0.0
            for part in parts:
                both = product(d[:, part], v[:, part])
                b_i, c_i = broadcast(b, state, part, column), broadcast(c, state, part, column)
                scan = step(total[:, part], d[:, part], both, a_i, b_i, c_i, carried)
                carried = scan[:, width - 1 : width]
        nisa.dma_copy(dst=out[rows], src=total)
    return out
