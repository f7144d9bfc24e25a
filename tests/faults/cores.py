"""Planted bugs: registers, device loops, and two cores that share memory."""

from __future__ import annotations

from typing import Any

import numpy as np

import glia.nki.isa as nisa
import glia.nki.language as nl
from faults.planted import empty, fault, look_alike, sbuf

ISA = "nki/api/nki/isa/__init__.py"
LOOPS = "nki/deep-dives/nki-dynamic-loops.rst"
RELEASE = "release-notes/components/nki.rst"
LIBRARY = "release-notes/components/nki-lib.rst"


@fault(r"register", f"{ISA} register_alloc: holds nothing until something is moved in")
def register_never_set(x: Any) -> None:
    start = nisa.register_alloc()
    nisa.dma_copy(sbuf(128, 8), x.ap([[512, 128], [1, 8]], scalar_offset=start))  # here


@fault(r"one element", f"{ISA} register_load: one element")
def register_from_a_row(x: Any) -> None:
    register = nisa.register_alloc()
    nisa.register_load(register, sbuf(1, 8, kind=nl.int32))  # here


@fault(r"loop|frozen|written", f"{RELEASE} 0.4: writing the loop variable had no effect")
def writing_the_loop_variable(x: Any) -> None:
    for i in nl.dynamic_range(0, 4):
        nisa.register_move(i, 7)  # here


@fault(r"outside|expected", "git:v2.26.1 nki.errors.rst err_tensor_access_out_of_bound",
       np.array([[600]], np.int32), np.zeros((128, 512), np.float32))  # fmt: skip
def run_time_offset_out_of_range(where: Any, x: Any) -> None:
    offset = nl.load(where)
    columns = x.ap([[512, 128], [1, 8]], scalar_offset=offset, indirect_dim=1)
    nisa.dma_copy(sbuf(128, 8), columns)  # here


# -- two cores -------------------------------------------------------------------------------------


@fault(r"nothing between them.*core_barrier", f"{ISA} core_barrier: `data` is what it orders",
       cores=2)  # fmt: skip
def barrier_about_another_tensor(x: Any) -> Any:
    out, other = (nl.ndarray(x.shape, x.dtype, nl.shared_hbm) for _ in range(2))
    if nl.program_id(0) == 0:
        nisa.dma_copy(out, nl.load(x))
    nisa.core_barrier(other, (0, 1))
    if nl.program_id(0) == 1:
        nisa.dma_copy(sbuf(128, 512), out)  # here
    return out


@fault(r"core_barrier", f"{ISA} core_barrier: what the other core wrote", cores=2)
def reading_what_the_other_core_writes(x: Any) -> Any:
    half = nl.program_id(0)
    shared, out = (empty(2, 512, buffer=nl.shared_hbm) for _ in range(2))
    nisa.dma_copy(shared[half : half + 1], x[half : half + 1])
    nisa.dma_copy(out[half : half + 1], shared[1 - half : 2 - half])  # here
    return out


@look_alike(f"{ISA} core_barrier: after it both see the whole", cores=2)
def reading_after_a_barrier(x: Any) -> Any:
    half = nl.program_id(0)
    shared, out = (empty(2, 512, buffer=nl.shared_hbm) for _ in range(2))
    nisa.dma_copy(shared[half : half + 1], x[half : half + 1])
    nisa.core_barrier(shared, (0, 1))
    nisa.dma_copy(out[half : half + 1], shared[1 - half : 2 - half])
    return out


@fault(r"core_barrier|race", f"{LIBRARY} 2.32: MLP TKG LNC2 race", cores=2)
def both_cores_write_one_row(x: Any) -> Any:
    half = nl.program_id(0)
    out = empty(2, 512, buffer=nl.shared_hbm)
    nisa.dma_copy(out[0:2], x[half : half + 2])  # here
    return out


@fault(r"core|meet|wait", f"{ISA} core_barrier: all cores come to it", cores=2)
def barrier_that_one_core_skips(x: Any) -> Any:
    half = nl.program_id(0)
    out = empty(2, 512, buffer=nl.shared_hbm)
    nisa.dma_copy(out[half : half + 1], x[half : half + 1])
    if half == 0:
        nisa.core_barrier(out, (0, 1))  # here
    return out


@fault(r"LNC|core|cores", f"{ISA} core_barrier: two cores")
def barrier_on_one_core(x: Any) -> None:
    out = empty(2, 512, buffer=nl.shared_hbm)
    nisa.dma_copy(out, x[0:2])
    nisa.core_barrier(out, (0, 1))  # here


@fault(r"shared_hbm", f"{ISA} core_barrier: data in shared HBM", cores=2)
def barrier_on_private_memory(x: Any) -> None:
    mine = empty(2, 512, buffer=nl.hbm)
    nisa.core_barrier(mine, (0, 1))  # here


@fault(r"dtype|bfloat16", f"{ISA} sendrecv: src and dst share the dtype", cores=2)
def sendrecv_converts(x: Any) -> None:
    rank = nl.program_id(0)
    src, dst = sbuf(128, 8), sbuf(128, 8, kind=nl.bfloat16)
    nisa.sendrecv(src, dst, 1 - rank, 1 - rank, 0)  # here


@fault(r"1024", f"{ISA} sendrecv: 1024 bytes of a 4-byte type by GpSimd's DMA", cores=2)
def sendrecv_too_long_for_gpsimd(x: Any) -> None:
    rank, engine = nl.program_id(0), nisa.dma_engine.gpsimd_dma
    src, dst = sbuf(128, 257), sbuf(128, 257)
    nisa.sendrecv(src, dst, 1 - rank, 1 - rank, 0, dma_engine=engine)  # here
