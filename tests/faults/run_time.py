"""Planted bugs: what only the addresses of the run show, of one core and of two."""

from __future__ import annotations

from typing import Any

import numpy as np

import glia.nki.isa as nisa
import glia.nki.language as nl
from faults.planted import X, empty, fault, look_alike, sbuf

APS = "nki/deep-dives/nki-aps.rst, dynamic access"
DGE = "nki/deep-dives/nki-dge.rst"
ISA = "nki/api/nki/isa/__init__.py"
EVEN = np.arange(0, 128, 2, dtype=np.int32)[:, None]
ODD, ALL = EVEN + 1, np.arange(128, dtype=np.int32)[:, None]
THREE = np.array([[3]], np.int32)


def scattered(x: Any, rows: Any, fill: bool = False, buffer: Any = nl.private_hbm) -> Any:
    """A table of x's shape in HBM to which x's first rows were scattered."""
    table = nl.ndarray(x.shape, x.dtype, buffer)
    if fill:
        nisa.dma_copy(table, sbuf(*x.shape))
    index = nl.load(rows)
    nisa.dma_copy(table.vector_select(0, index), nl.load(x[0 : index.shape[0]]))
    return table


# -- what was never written ------------------------------------------------------------------------


@fault(r"memory never written, row 1 of 128.*index tile", f"{APS}: rows that no scatter wrote",
       X, EVEN, ODD)  # fmt: skip
def gathering_rows_never_scattered(x: Any, written: Any, read: Any) -> None:
    table = scattered(x, written)
    nisa.dma_copy(empty(64, 512), table.vector_select(0, nl.load(read)))  # here


@look_alike(f"{APS}: the same rows", X, EVEN, EVEN[::-1].copy())
def gathering_the_rows_scattered(x: Any, written: Any, read: Any) -> None:
    table = scattered(x, written)
    nisa.dma_copy(empty(64, 512), table.vector_select(0, nl.load(read)))


@look_alike(f"{APS}: a table that was filled first", X, EVEN, ODD)
def gathering_from_a_filled_table(x: Any, written: Any, read: Any) -> None:
    table = scattered(x, written, fill=True)
    nisa.dma_copy(empty(64, 512), table.vector_select(0, nl.load(read)))


@look_alike(f"{APS}: the holes are filled later", X, EVEN, ODD)
def two_scatters_fill_a_table(x: Any, even: Any, odd: Any) -> None:
    table = scattered(x, even)
    nisa.dma_copy(table.vector_select(0, nl.load(odd)), nl.load(x[64:128]))
    nisa.dma_copy(empty(128, 512), table)


@fault(r"memory never written, as element \(1, 0", f"{APS}: holes of a scatter",
       X, EVEN)  # fmt: skip
def loading_a_scattered_table_whole(x: Any, written: Any) -> None:
    nisa.dma_copy(empty(128, 512), scattered(x, written))  # here


@fault(r"memory never written, at run-time offset 3", f"{APS}: select of an unwritten block",
       X, THREE)  # fmt: skip
def selecting_a_block_never_written(x: Any, which: Any) -> None:
    tile = empty(128, 4, 128)
    for block in range(3):
        nisa.tensor_copy(tile[:, block], nl.load(x[:, 0:128]))
    nisa.tensor_scalar(empty(128, 128), tile.select(1, nl.load(which)), nl.add, 1.0)  # here


@fault(r"never written", f"{APS}: a dynamic write of one block is not one of all", X, THREE)
def one_block_written_at_run_time_all_read(x: Any, which: Any) -> None:
    tile = empty(128, 4, 128)
    nisa.tensor_copy(tile.select(1, nl.load(which)), nl.load(x[:, 0:128]))
    nisa.tensor_scalar(tile, tile, nl.add, 1.0)
    nisa.tensor_reduce(sbuf(128, 1), nl.add, tile, axis=(1, 2))  # here


@look_alike(f"{APS}: undefined blocks may be moved, and left alone", X, THREE)
def undefined_blocks_moved_and_left_alone(x: Any, which: Any) -> None:
    tile, moved, where = empty(128, 4, 128), empty(128, 4, 128), nl.load(which)
    nisa.tensor_copy(tile.select(1, where), nl.load(x[:, 0:128]))
    nisa.tensor_copy(moved, tile)
    nisa.tensor_scalar(empty(128, 128), moved[:, 3], nl.add, 1.0)
    nisa.tensor_scalar(empty(128, 128), moved.select(1, where), nl.add, 1.0)


@fault(r"never written", f"{APS}: undefined blocks stay undefined where they are moved", X, THREE)
def undefined_blocks_moved_and_added(x: Any, which: Any) -> None:
    tile, moved = empty(128, 4, 128), empty(128, 4, 128)
    nisa.tensor_copy(tile.select(1, nl.load(which)), nl.load(x[:, 0:128]))
    nisa.tensor_copy(moved, tile)
    nisa.tensor_scalar(empty(128, 128), moved[:, 2], nl.add, 1.0)  # here


@fault(r"never written", f"{DGE}: a DMA that is skipped writes nothing",
       X, np.array([[9]], np.int32))  # fmt: skip
def reading_what_a_skipped_dma_left(x: Any, which: Any) -> None:
    tile = empty(128, 4, 128)
    for block in range(3):
        nisa.memset(tile[:, block], 0)
    where = nl.load(which)
    nisa.dma_copy(
        tile.ap([[512, 128], [1, 128]], scalar_offset=where, indirect_dim=1),
        x[:, 0:128],
        oob_mode=nisa.oob_mode.skip,
    )
    nisa.tensor_scalar(empty(128, 128), tile[:, 3], nl.add, 1.0)  # here


@fault(r"never written, row 3", f"{ISA} dma_compute: updates read the rows", X, EVEN, THREE)
def adding_to_a_row_never_written(x: Any, written: Any, row: Any) -> None:
    rows = scattered(x, written).vector_select(0, nl.load(row))
    nisa.dma_compute(rows, [rows, nl.load(x[0:1])], nl.add)  # here


@fault(r"never written", f"{APS}: asked for while the kernel is traced", X, EVEN, ODD)
def gathering_in_a_loop_that_asks_for_data(x: Any, written: Any, read: Any) -> None:
    table, index = scattered(x, written), nl.load(read)
    count = nisa.register_alloc()
    nisa.register_load(count, index[0:1])
    for _ in nl.dynamic_range(count):
        nisa.dma_copy(empty(64, 512), table.vector_select(0, index))  # here


# -- out of bounds ---------------------------------------------------------------------------------


@fault(r"row 128, expected 0..127", f"{APS}: a gather index out of range", X, ALL + 1)
def gathering_a_row_out_of_range(x: Any, rows: Any) -> None:
    nisa.dma_copy(empty(128, 512), x.vector_select(0, nl.load(rows)))  # here


@fault(r"row -1, expected 0..127", f"{APS}: a scatter index out of range", X, ALL - 1)
def scattering_to_a_row_out_of_range(x: Any, rows: Any) -> None:
    table = empty(*x.shape, buffer=nl.private_hbm)
    nisa.dma_copy(table.vector_select(0, nl.load(rows)), nl.load(x))  # here


@fault(r"got 509, expected 0..504", f"{APS}: the pattern leaves the tensor", X,
       np.array([[509]], np.int32))  # fmt: skip
def a_run_time_slice_beyond_the_end(x: Any, start: Any) -> None:
    nisa.tensor_copy(empty(128, 8), nl.load(x)[:, nl.ds(nl.load(start), 8)])  # here


@fault(r"got .600:601.*0:512", f"{APS}: a register out of range", X,
       np.array([[600]], np.int32))  # fmt: skip
def a_register_beyond_the_end(x: Any, start: Any) -> None:
    where = nisa.register_alloc()
    nisa.register_load(where, nl.load(start))
    nisa.dma_copy(sbuf(128, 1), x[:, nl.ds(where, 1)])  # here


# -- two cores -------------------------------------------------------------------------------------


@fault(r"nothing between them|no core has written", f"{ISA} core_barrier: "
       "a row that the other scatters",
       X, EVEN, THREE, cores=2)  # fmt: skip
def one_core_fills_what_the_other_scatters(x: Any, mine: Any, row: Any) -> Any:
    out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
    if nl.program_id(0) == 0:
        nisa.dma_copy(out, nl.load(x))
    else:
        nisa.dma_copy(out.vector_select(0, nl.load(row)), sbuf(1, 512))  # here
    return out


@look_alike(f"{ISA} core_barrier: rows that differ", X, EVEN, ODD, cores=2)
def two_cores_scatter_to_rows_of_their_own(x: Any, mine: Any, theirs: Any) -> Any:
    out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
    core = nl.program_id(0)
    index = nl.load(theirs if core else mine)
    nisa.dma_copy(out.vector_select(0, index), nl.load(x[64 * core : 64 * core + 64]))
    return out


@fault(r"no core has written|nothing between them", f"{ISA} core_barrier: rows of the other core",
       X, EVEN, ODD, cores=2)  # fmt: skip
def gathering_rows_of_the_other_core(x: Any, mine: Any, theirs: Any) -> Any:
    table, out = (nl.ndarray(x.shape, x.dtype, nl.shared_hbm) for _ in range(2))
    core, own, tile = nl.program_id(0), nl.load(mine), empty(64, 512)
    other = nl.load(theirs)
    first, second = (other, own) if core else (own, other)
    nisa.dma_copy(table.vector_select(0, first), nl.load(x[0:64]))
    nisa.dma_copy(tile, table.vector_select(0, second))  # here
    nisa.dma_copy(out[64 * core : 64 * core + 64], tile)
    return out


@look_alike(f"{ISA} core_barrier: after it both see all rows", X, EVEN, ODD, cores=2)
def gathering_rows_of_the_other_core_after_a_barrier(x: Any, mine: Any, theirs: Any) -> Any:
    table, out = (nl.ndarray(x.shape, x.dtype, nl.shared_hbm) for _ in range(2))
    core, own, tile = nl.program_id(0), nl.load(mine), empty(64, 512)
    other = nl.load(theirs)
    first, second = (other, own) if core else (own, other)
    nisa.dma_copy(table.vector_select(0, first), nl.load(x[0:64]))
    nisa.core_barrier(table, (0, 1))
    nisa.dma_copy(tile, table.vector_select(0, second))
    nisa.dma_copy(out[64 * core : 64 * core + 64], tile)
    return out


@fault(r"nothing between them|no core has written", f"{ISA} core_barrier: a block that the other"
       " core writes", X, THREE, cores=2)  # fmt: skip
def selecting_a_block_that_the_other_core_writes(x: Any, which: Any) -> Any:
    table, out = (nl.ndarray((4, *x.shape), x.dtype, nl.shared_hbm) for _ in range(2))
    core, where = nl.program_id(0), nl.load(which)
    for block in (2 * core, 2 * core + 1):
        nisa.dma_copy(table[block], x)
    tile = sbuf(128, 512)
    if core == 0:
        nisa.dma_copy(tile, table.select(0, where))  # here
    for block in (2 * core, 2 * core + 1):
        nisa.dma_copy(out[block], tile)
    return out


@look_alike(f"{ISA} core_barrier: a block of its own", X, np.array([[1]], np.int32), cores=2)
def selecting_a_block_of_its_own(x: Any, which: Any) -> Any:
    return selecting_a_block_that_the_other_core_writes(x, which)


def sent_half_written(x: Any) -> Any:
    """Core 0 writes 32 rows of what it sends, core 1 all 64; both know it."""
    rows, tile, other = (32, 64)[nl.program_id(0)], empty(64, 512), empty(64, 512)
    nisa.dma_copy(tile[0:rows], x[0:rows])
    nisa.sendrecv(
        tile, other, send_to_rank=1 - nl.program_id(0), recv_from_rank=1 - nl.program_id(0),
        pipe_id=0,
    )  # fmt: skip
    return other


@look_alike(f"{ISA} sendrecv: rows never written are sent, and left alone", cores=2)
def sending_rows_never_written(x: Any) -> Any:
    core, out = nl.program_id(0), nl.ndarray((96, 512), x.dtype, nl.shared_hbm)
    rows = (64, 32)[core]
    nisa.dma_copy(out[64 * core : 64 * core + rows], sent_half_written(x)[0:rows])
    return out


@fault(r"never written, as element .32, 0", f"{ISA} sendrecv: what core 0 never wrote", cores=2)
def using_rows_that_the_other_core_never_wrote(x: Any) -> Any:
    core, out = nl.program_id(0), nl.ndarray((128, 512), x.dtype, nl.shared_hbm)
    nisa.dma_copy(out[64 * core : 64 * core + 64], sent_half_written(x))  # here
    return out


@look_alike(f"{ISA} core_barrier: both write one row alike", X, THREE, cores=2)
def two_cores_write_a_row_alike(x: Any, row: Any) -> Any:
    table, out = (nl.ndarray(s, x.dtype, nl.shared_hbm) for s in (x.shape, (1, 512)))
    nisa.dma_copy(table.vector_select(0, nl.load(row)), nl.load(x[0:1]))
    nisa.dma_copy(out, table.vector_select(0, nl.load(row)))
    return out
