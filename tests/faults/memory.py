"""Planted bugs: where tensors lie, how large they are, what was written to them."""

from __future__ import annotations

from typing import Any

import numpy as np

import glia.nki.isa as nisa
import glia.nki.language as nl
from faults.planted import empty, fault, look_alike, sbuf

TILE_SIZE = "nki/api/nki.language.tile_size.rst"
CORE_V2 = "nki/guides/architecture/trainium_inferentia2_arch.rst"
ERRORS = "git:v2.26.1 nki/api/nki.errors.rst"
MIGRATION = "nki/migration/index.rst, improved allocation API"
APS = "nki/deep-dives/nki-aps.rst"
GUIDE = "nki/get-started/nki-language-guide.rst"


@fault(r"128, free.*tile it by nl.tile_size.pmax", f"{ERRORS} err_num_partition_exceed_arch_limit")
def more_than_128_partitions(x: Any) -> None:
    nl.ndarray((256, 512), nl.float32)  # here


@fault(r"dim 0 is the partition dim", f"{ERRORS} err_failed_to_infer_tile_from_local_tensor")
def one_dim_on_chip(x: Any) -> None:
    nl.ndarray((512,), nl.float32)  # here


@fault(r"at most 212984 on trn2", "nkipy HardwareConstants.h: usable SBUF")
def sbuf_partition_too_long_on_gen3(x: Any) -> None:
    nl.ndarray((128, 212988), nl.uint8)  # here


@fault(r"at most 180224 on trn1", "git:v2.26.1 nki_direct_allocation_guide.rst", generation="gen2")
def sbuf_partition_too_long_on_gen2(x: Any) -> None:
    nl.ndarray((128, 212000), nl.uint8)  # here


@fault(r"at most 245752 on trn3", "nkipy HardwareConstants.h: usable SBUF", generation="gen4")
def sbuf_partition_too_long_on_gen4(x: Any) -> None:
    nl.ndarray((128, 245760), nl.uint8)  # here


@look_alike("nkipy HardwareConstants.h: usable SBUF", generation="gen4")
def the_last_usable_byte(x: Any) -> None:
    sbuf(128, 245752, kind=nl.uint8)


@fault(r"at most 16384 on trn2", CORE_V2)
def psum_partition_too_long(x: Any) -> None:
    nl.ndarray((128, 4097), nl.float32, buffer=nl.psum)  # here


@fault(r"on top of 200000 live ones .* use smaller tiles", "nki-library changelog: Conv3D memory")
def live_tiles_do_not_fit(x: Any) -> None:
    one, other = empty(128, 50000), empty(128, 4000)
    nisa.memset(one, 0)
    nisa.memset(other, 0)  # here
    nisa.tensor_copy(other, one[:, 0:4000])


@look_alike("live ranges end with the last use")
def tiles_that_fit_one_after_the_other(x: Any) -> None:
    for _ in range(4):
        sbuf(128, 50000)


@fault(r"allocating .* in psum.* use smaller tiles", f"{MIGRATION}: PSUM tensors start at a bank")
def nine_psum_tiles_live(x: Any) -> None:
    tiles = [empty(128, 512, buffer=nl.psum) for _ in range(9)]
    for tile in tiles:
        nisa.memset(tile, 0)  # here
    for tile in tiles:
        nisa.tensor_copy(tile, tile)


# -- addresses -------------------------------------------------------------------------------------


@fault(r"a multiple of 2048; start at a bank", MIGRATION)
def psum_address_inside_a_bank(x: Any) -> None:
    nl.ndarray((128, 16), nl.float32, buffer=nl.psum, address=(0, 64))  # here


@fault(r"a multiple of 4; align it to its dtype", "nki-library changelog 2.30: 4-byte alignment")
def sbuf_address_off_its_dtype(x: Any) -> None:
    nl.ndarray((128, 16), nl.float32, address=(0, 6))  # here


@fault(r"32 partitions from partition 112", MIGRATION)
def address_beyond_the_last_partition(x: Any) -> None:
    nl.ndarray((32, 16), nl.float32, address=(112, 0))  # here


@fault(r"inside 0\.\.212983 on trn2", MIGRATION)
def address_beyond_the_partition(x: Any) -> None:
    nl.ndarray((128, 1024), nl.float32, address=(0, 212000))  # here


@fault(r"a tensor in hbm", MIGRATION)
def address_in_hbm(x: Any) -> None:
    nl.ndarray((128, 1024), nl.float32, buffer=nl.hbm, address=(0, 0))  # here


@fault(
    r"has written since.*move one of them", "nki-library changelog: gpsimd_topk small-tile races"
)
def buffer_reused_while_its_data_is_needed(x: Any) -> None:
    first, second = empty(128, 64, address=(0, 0)), empty(128, 64, address=(0, 128))
    nisa.memset(first, 1)
    nisa.memset(second, 2)
    nisa.tensor_tensor(second, second, first, op=nl.add)  # here


@fault(r"has written since", "nki-library changelog: attention bank reuse")
def psum_bank_reused_before_it_was_drained(x: Any) -> None:
    left = sbuf(128, 64, kind=nl.bfloat16)
    tiles = [empty(64, 64, buffer=nl.psum, address=(0, 2048 * (i % 2))) for i in range(3)]
    for tile in tiles:
        nisa.nc_matmul(tile, left, left)
    out = empty(64, 64)
    for tile in tiles:
        nisa.tensor_copy(out, tile)  # here


@look_alike(f"{MIGRATION}: buffers that rotate over the same addresses")
def rotation_over_two_addresses(x: Any) -> None:
    total = sbuf(128, 64, address=(0, 4096))
    for i in range(6):
        tile = empty(128, 64, address=(0, 256 * (i % 2)))
        nisa.dma_copy(tile, x[:, 64 * i : 64 * i + 64])
        nisa.tensor_tensor(total, total, tile, op=nl.add)


@look_alike("two handles on the same bytes, each written before it is read")
def scratch_inside_the_life_of_another(x: Any) -> None:
    outer = sbuf(128, 64, address=(0, 0))
    scratch = sbuf(128, 32, address=(0, 0))
    nisa.tensor_copy(scratch, scratch)
    nisa.memset(outer, 3)
    nisa.tensor_copy(outer, outer)


@look_alike("the same bytes of other partitions are other memory")
def same_bytes_of_other_partitions(x: Any) -> None:
    upper, lower = sbuf(64, 64, address=(0, 0)), sbuf(64, 64, address=(64, 0))
    nisa.tensor_copy(upper, upper)
    nisa.tensor_copy(lower, lower)


@look_alike("allocation goes around what is pinned")
def a_pin_at_the_top_of_sbuf(x: Any) -> None:
    top = sbuf(128, 16, address=(0, 212984 - 64))
    big = sbuf(128, 50000)
    nisa.tensor_copy(top, big[:, 0:16])


# -- partitions and patterns -----------------------------------------------------------------------


@fault(r"a multiple of 32", f"{CORE_V2}: start partitions")
def start_partition_16(x: Any) -> None:
    nisa.memset(sbuf(128, 4)[16:40], 0)  # here


@fault(r"a multiple of 64", f"{CORE_V2}: start partitions")
def forty_partitions_from_32(x: Any) -> None:
    nisa.memset(sbuf(128, 4)[32:72], 0)  # here


@fault(r"128 \(only 0\)", f"{CORE_V2}: start partitions")
def ninety_partitions_from_32(x: Any) -> None:
    nisa.memset(sbuf(128, 4)[32:122], 0)  # here


@fault(r"partitions 16\.\.47", f"{CORE_V2}: start partitions hold for the physical partition")
def pinned_to_partition_16(x: Any) -> None:
    nisa.memset(empty(32, 4, address=(16, 0)), 0)  # here


@look_alike(f"{CORE_V2}: a DMA may start at any partition")
def dma_from_partition_17(x: Any) -> None:
    nisa.dma_copy(sbuf(128, 512)[17:20], x[17:20])


@fault(r"consecutive partitions", f"{CORE_V2}: access patterns")
def every_second_partition(x: Any) -> None:
    nisa.memset(sbuf(128, 4)[0:128:2], 0)  # here


@fault(r"a pattern of 6 dims", f"{CORE_V2}: up to 4 free dims")
def six_dims(x: Any) -> None:
    tile = sbuf(8, 3, 3, 3, 3, 3)
    nisa.memset(tile[:, 0:2, 0:2, 0:2, 0:2, 0:2], 0)  # here


@look_alike(f"{CORE_V2}: dims that merge count as one")
def six_dims_that_are_two(x: Any) -> None:
    nisa.memset(sbuf(8, 3, 3, 3, 3, 3), 0)


@fault(r"a step of 40000 elements", f"{CORE_V2}: strides are int16")
def step_beyond_16_bits(x: Any) -> None:
    long = sbuf(128, 2, 40000, kind=nl.bfloat16)
    nisa.tensor_copy(sbuf(128, 2, 8, kind=nl.bfloat16), long[:, :, 0:8])  # here


@look_alike(f"{CORE_V2}: a contiguous run of any length is two dims at most")
def more_than_65535_elements(x: Any) -> None:
    sbuf(128, 200000, kind=nl.uint8)


@fault(r"\[128:129\]|index 128|inside \[0:128\]", f"{ERRORS} err_tensor_access_out_of_bound")
def index_out_of_bounds(x: Any) -> None:
    x[128]  # here


@fault(r"inside \[0:512\]; clamp with min", f"{ERRORS} err_tensor_access_out_of_bound")
def ragged_edge_not_clamped(x: Any) -> None:
    tile = empty(128, 384)
    for start in range(0, 512, 384):
        nisa.dma_copy(tile, x[:, start : start + 384])  # here


@fault(r"shorten the pattern", f"{APS}: patterns stay inside the storage")
def pattern_past_the_end(x: Any) -> None:
    nisa.dma_copy(sbuf(128, 513), x.ap([[512, 128], [1, 513]]))  # here


@fault(r"shorten the pattern", f"{APS}: patterns stay inside the storage")
def part_of_a_pattern_past_the_end(x: Any) -> None:
    tile = sbuf(128, 64).ap([[64, 128], [1, 65]])
    nisa.memset(tile[:, 1:65], 0)  # here


@look_alike("nki-library, output_projection_tkg: patterns of a ragged edge, formed and not used")
def pattern_past_the_end_that_nothing_uses(x: Any) -> None:
    x.ap([[512, 128], [1, 513]])


@fault(r"partition step 256, expected 512", f"{APS}: the partition step is the free size")
def pattern_across_partitions(x: Any) -> None:
    sbuf(128, 512).ap([[256, 64], [1, 512]])  # here


@fault(r"equal totals|total|elements", "release notes 0.5: reshape preserves the element count")
def reshape_changes_the_count(x: Any) -> None:
    x.reshape((128, 511))  # here


@fault(r"partition dim", f"{GUIDE}: partition and free dims never mix")
def reshape_across_partitions(x: Any) -> None:
    sbuf(128, 64).reshape((64, 128))  # here


# -- what was written ------------------------------------------------------------------------------


@fault(r"memory never written", "nki/guides/nki_simulator.rst: uninitialised memory")
def read_before_any_write(x: Any) -> None:
    nisa.tensor_copy(sbuf(128, 8), empty(128, 8))  # here


@fault(r"memory never written", "nki-library changelog: uninitialised reads in LNC-2 top-k")
def one_column_never_written(x: Any) -> None:
    tile = empty(128, 8)
    nisa.memset(tile[:, 0:7], 0)
    nisa.tensor_reduce(sbuf(128, 1), nl.add, tile, axis=1)  # here


@fault(r"memory never written", "nki-library changelog: reading extra partitions for the last rank")
def tail_partitions_never_written(x: Any) -> None:
    tile = empty(128, 512)
    nisa.dma_copy(tile[0:100], x[0:100])
    nisa.tensor_reduce(sbuf(128, 1), nl.add, tile, axis=1)  # here


@fault(r"memory never written", "the same where only the product mixes the partitions")
def tail_partitions_never_written_computed_and_multiplied(x: Any) -> None:
    tile, weights = empty(128, 512), sbuf(128, 64)
    nisa.dma_copy(tile[0:100], x[0:100])
    nisa.activation(tile, op=nl.exp, data=tile)
    nisa.nc_matmul(empty(64, 512, buffer=nl.psum), weights, tile)  # here


@look_alike("nki-library 2.29 core/moe_block: whole tiles are computed, a part of them is used")
def tail_partitions_never_written_and_left_alone(x: Any) -> None:
    tile, weights = empty(128, 512), sbuf(128, 64)
    nisa.dma_copy(tile[0:100], x[0:100])
    nisa.activation(tile, op=nl.exp, data=tile)
    nisa.nc_matmul(empty(64, 512, buffer=nl.psum), weights[0:100], tile[0:100])


@fault(r"memory never written", "nki-library changelog: zero-init of partial writes")
def hbm_scratch_read_before_written(x: Any) -> None:
    scratch = empty(128, 512, buffer=nl.hbm)
    nisa.dma_copy(scratch[0:64], x[0:64])
    nisa.dma_copy(sbuf(128, 512), scratch)  # here


@fault(r"never written as alias itself; .* first, .* or read first", f"{MIGRATION}: aliases")
def alias_read_that_only_the_other_wrote(x: Any) -> None:
    first = nl.ndarray((128, 64), nl.float32, address=(0, 0))
    nisa.memset(first, 1)
    alias = nl.ndarray((128, 32), nl.float32, address=(0, 128))
    nisa.tensor_copy(first[:, 0:32], alias)  # here


@fault(
    r"memory never written", "a tensor beside it, or one never written, has nothing to do with it"
)
def pinned_tile_that_nobody_wrote(x: Any) -> None:
    nisa.memset(empty(128, 32, address=(0, 0)), 1)
    empty(128, 32, address=(0, 128))
    nisa.tensor_copy(sbuf(128, 32), empty(128, 32, address=(0, 128)))  # here


@look_alike("the two halves together are the whole")
def written_in_interleaved_halves(x: Any) -> None:
    tile = empty(128, 8)
    nisa.memset(tile[:, 0:8:2], 0)
    nisa.memset(tile[:, 1:8:2], 1)
    nisa.tensor_copy(tile, tile)


@fault(
    r"elements never written: nothing was stored to it.*store to it",
    f"{ERRORS} err_tensor_output_not_written_to",
    whole=True,
)
def output_never_stored(x: Any) -> Any:  # here
    return empty(128, 512, buffer=nl.shared_hbm)


@fault(
    r"elements never written,.*ragged edges",
    "nki-library changelog: tail iteration of MoE CTE",
    whole=True,
)
def output_tail_not_stored(x: Any) -> Any:  # here
    out = empty(128, 512, buffer=nl.shared_hbm)
    for start in range(0, 512 - 200, 200):
        nisa.dma_copy(out[:, start : start + 200], x[:, start : start + 200])
    return out


@fault(r"in nl.shared_hbm", "release notes 0.3: outputs must be shared_hbm", whole=True)
def returning_an_sbuf_tile(x: Any) -> Any:  # here
    return sbuf(128, 8)


@fault(r"shared_hbm", "release notes 0.3: outputs must be shared_hbm", cores=2, whole=True)
def returning_private_hbm(x: Any) -> Any:  # here
    out = empty(128, 512, buffer=nl.hbm)
    nisa.dma_copy(out, x)
    return out


@fault(r"a broadcast view", f"{ERRORS} err_store_dst_shape_smaller_than_other_shape")
def writing_one_element_many_times(x: Any) -> None:
    nisa.memset(sbuf(8, 1).broadcast(1, 4), 0)  # here


@look_alike("element by element, in place")
def in_place_on_the_same_view(x: Any) -> None:
    tile = sbuf(128, 64)
    nisa.tensor_scalar(tile, tile, nl.add, 1.0)


# -- device loops ----------------------------------------------------------------------------------

LOOPS = "nki/deep-dives/nki-dynamic-loops.rst: results are allocated outside the loop"
OUTLIVED = r"made inside the device loop at memory.py:\d+, used after the loop, .*before the loop"


@fault(OUTLIVED, LOOPS)
def tile_of_a_loop_read_after_it(x: Any) -> None:
    for i in nl.dynamic_range(3):
        tile = empty(128, 8)
        nisa.dma_copy(tile, x[:, nl.ds(i, 8)])
    nisa.tensor_copy(sbuf(128, 8), tile)  # here


@fault(OUTLIVED, LOOPS)
def bank_of_a_loop_written_after_it(x: Any) -> None:
    left, made = sbuf(128, 8, kind=nl.bfloat16), []

    def body(i: Any) -> None:
        made.append(empty(8, 8, buffer=nl.psum))
        nisa.nc_matmul(made[-1], left, left)

    nl.fori_loop(0, 1, body)
    nisa.memset(made[0], 0)  # here


@fault(OUTLIVED, LOOPS)
def tile_of_a_while_loop_loaded_into_a_register(x: Any) -> None:
    made = []

    def body(left: Any) -> Any:
        made.append(sbuf(1, 1, kind=nl.int32))
        return left - 1

    nl.while_loop(nisa.register_alloc(2), body)
    nisa.register_load(nisa.register_alloc(), made[-1])  # here


@fault(OUTLIVED, LOOPS)
def tile_of_an_inner_loop_read_in_the_outer(x: Any) -> None:
    total = sbuf(128, 8)
    for _ in nl.dynamic_range(2):
        for _ in nl.dynamic_range(2):
            tile = sbuf(128, 8)
        nisa.tensor_copy(total, tile)  # here


@look_alike(LOOPS)
def tile_of_before_the_loop_read_after_it(x: Any) -> None:
    tile = empty(128, 8)
    for i in nl.dynamic_range(3):
        part = empty(128, 8)
        nisa.dma_copy(part, x[:, nl.ds(i, 8)])
        nisa.tensor_copy(tile, part)
    nisa.tensor_copy(sbuf(128, 8), tile)


@look_alike("the loop inside is over, the tile is of the one around it")
def tile_of_the_outer_loop_read_after_the_inner(x: Any) -> None:
    total = sbuf(128, 8)
    for _ in nl.dynamic_range(2):
        tile = sbuf(128, 8)
        for _ in nl.dynamic_range(2):
            nisa.tensor_scalar(tile, tile, nl.add, 1.0)
        nisa.tensor_copy(total, tile)


@look_alike("a range of Python is no device loop: its bodies are one after the other")
def tile_of_a_static_loop_read_after_it(x: Any) -> None:
    for i in nl.static_range(3):
        tile = empty(128, 8)
        nisa.dma_copy(tile, x[:, i : i + 8])
    nisa.tensor_copy(sbuf(128, 8), tile)


IDS = np.array([[3], [0], [9], [3]], np.int32)
TABLE = np.arange(80, dtype=np.float32).reshape(10, 8)


@fault(r"10", f"{ERRORS} err_tensor_access_out_of_bound (at run time)", TABLE, IDS + 1)
def gather_out_of_range(table: Any, ids: Any) -> None:
    index, tile = nl.load(ids), empty(4, 8)
    nisa.dma_copy(tile, table.ap([[8, 4], [1, 8]], vector_offset=index))  # here


@look_alike("oob_mode.skip leaves the rows as they were", TABLE, IDS + 1)
def gather_that_skips(table: Any, ids: Any) -> None:
    index, tile = nl.load(ids), sbuf(4, 8)
    rows = table.ap([[8, 4], [1, 8]], vector_offset=index)
    nisa.dma_copy(tile, rows, oob_mode=nisa.oob_mode.skip)
