"""Softmax over the rows of x [T, N], as a kernel in the public NKI language.

    glia nki run examples/nki_softmax.py:softmax
    glia nki profile examples/nki_softmax.py:softmax --arg x=1024x2048:bf16
    glia nki check examples/nki_softmax.py

`softmax_args` is what the kernel is run with when no arguments are given.
"""

import nki.isa as nisa
import nki.language as nl
import numpy as np

import nki


@nki.jit
def softmax(x):
    rows, columns = x.shape
    out = nl.ndarray((rows, columns), dtype=x.dtype, buffer=nl.shared_hbm)
    for start in range(0, rows, nl.tile_size.pmax):
        size = min(nl.tile_size.pmax, rows - start)
        tile = nl.ndarray((size, columns), dtype=x.dtype, buffer=nl.sbuf)
        nisa.dma_copy(dst=tile, src=x[start : start + size, :])

        lowest = nl.ndarray((size, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.tensor_reduce(dst=lowest, op=nl.maximum, data=tile, axis=1, negate=True)

        powers = nl.ndarray((size, columns), dtype=nl.float32, buffer=nl.sbuf)
        total = nl.ndarray((size, 1), dtype=nl.float32, buffer=nl.sbuf)
        nisa.activation_reduce(
            dst=powers, op=nl.exp, data=tile, bias=lowest, reduce_op=nl.add, reduce_res=total
        )

        nisa.reciprocal(dst=total, data=total)
        result = nl.ndarray((size, columns), dtype=x.dtype, buffer=nl.sbuf)
        nisa.tensor_scalar(dst=result, data=powers, op0=nl.multiply, operand0=total)
        nisa.dma_copy(dst=out[start : start + size, :], src=result)
    return out


def softmax_args():
    rng = np.random.default_rng(0)
    return {"x": rng.standard_normal((256, 1024), np.float32)}
