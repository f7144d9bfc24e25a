"""Kernels that the tests of `glia nki` run; a file of this kind is what the verbs take."""

import nki.collectives as ncc
import nki.isa as nisa
import nki.language as nl
import numpy as np

import nki


def copied(x, out, factor, engine):
    tile = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=x)
    nisa.tensor_scalar(dst=tile, data=tile, op0=nl.multiply, operand0=factor, engine=engine)
    nisa.dma_copy(dst=out, src=tile)


@nki.jit
def double(x, factor=2.0):
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    copied(x, out, factor, nisa.engine.vector)
    return out


def double_args():
    return {"x": np.arange(128 * 8, dtype=np.float32).reshape(128, 8)}


@nki.jit
def halves(x):
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    rows = x.shape[0] // nl.num_programs(0)
    part = slice(nl.program_id(0) * rows, (nl.program_id(0) + 1) * rows)
    copied(x[part], out[part], 2.0, nisa.engine.vector)
    return out


@nki.jit
def in_place(x):
    copied(x, x, 3.0, nisa.engine.vector)


@nki.jit
def too_tall(x):
    tile = nl.ndarray((256, 4), dtype=x.dtype, buffer=nl.sbuf)
    nisa.memset(dst=tile, value=0.0)
    return x


@nki.jit
def new_chips_only(x):
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    tile = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=x)
    nisa.exponential(dst=tile, src=tile, max_value=0.0)
    nisa.dma_copy(dst=out, src=tile)
    return out


@nki.jit
def endless(x):
    while True:
        pass


@nki.jit
def counted(x, n):
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    tile = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.sbuf)
    count = nl.ndarray((1, 1), dtype=nl.int32, buffer=nl.sbuf)
    nisa.dma_copy(dst=tile, src=x)
    nisa.dma_copy(dst=count, src=n)
    register = nisa.register_alloc(0)
    nisa.register_load(register, count)
    for _ in nl.dynamic_range(register):
        nisa.tensor_scalar(dst=tile, data=tile, op0=nl.multiply, operand0=2.0)
    nisa.dma_copy(dst=out, src=tile)
    return out


def plain(x):
    return double.function(x)


@nki.jit
def swapped(x):
    """Each core scales half of x, and both meet before one of them stores the whole."""
    half = x.shape[0] // 2
    core = nl.program_id(0)
    aside = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    part = slice(core * half, (core + 1) * half)
    other = slice((1 - core) * half, (2 - core) * half)
    copied(x[part], aside[part], 2.0, nisa.engine.vector)
    nisa.core_barrier(aside, (0, 1))
    copied(aside[other], out[other], 2.0, nisa.engine.vector)
    return out


@nki.jit
def leaving(x):
    raise SystemExit(3)


@nki.jit
def forgetful(x):
    out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm, name="scaled")
    copied(x, out, 2.0, nisa.engine.vector)


@nki.jit
def summed(x, group):
    total = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    mine = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
    nisa.dma_copy(dst=mine, src=x)
    ncc.all_reduce(srcs=[mine], dsts=[total], replica_group=group, op=nl.add)
    return total


@nki.jit
def idle(x):
    pass
