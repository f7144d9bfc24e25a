"""Planted bugs: what each engine can do, with which types, from which memory."""

from __future__ import annotations

from typing import Any

import numpy as np

import glia.nki.isa as nisa
import glia.nki.language as nl
from faults.planted import empty, fault, look_alike, psum, sbuf

ISA = "nki/api/nki/isa/__init__.py"
LANGUAGE = "nki/api/nki/language/__init__.py"
ERRORS = "git:v2.26.1 nki/api/nki.errors.rst"
ALU = "nki/api/nki.api.shared.rst: operators and engines"
RELEASE = "release-notes/components/nki.rst"
BF16, I32, U32, U8, U16 = nl.bfloat16, nl.int32, nl.uint32, nl.uint8, nl.uint16


# -- memory that an engine reaches ---------------------------------------------------------------


@fault(r"a tile in SBUF or PSUM", f"{ERRORS} err_unsupported_memory")
def compute_on_hbm(x: Any) -> None:
    nisa.activation(sbuf(128, 512), op=nl.exp, data=x)  # here


@fault(r"GpSimd cannot access PSUM", f"{ISA} tensor_copy")
def gpsimd_reads_psum(x: Any) -> None:
    nisa.tensor_copy(sbuf(8, 8), psum(8, 8), engine=nisa.engine.gpsimd)  # here


@fault(r"SBUF|sbuf", f"{ISA} iota: dst in SBUF")
def iota_to_psum(x: Any) -> None:
    nisa.iota(empty(8, 8, kind=I32, buffer=nl.psum), [[1, 8]])  # here


@fault(r"both inputs in PSUM", f"{ISA} tensor_tensor")
def both_inputs_in_psum(x: Any) -> None:
    nisa.tensor_tensor(sbuf(8, 8), psum(8, 8), psum(8, 8), op=nl.add)  # here


@fault(r"both inputs in PSUM|not both", f"{ISA} scalar_tensor_tensor")
def both_inputs_of_stt_in_psum(x: Any) -> None:
    nisa.scalar_tensor_tensor(  # here
        sbuf(8, 8), psum(8, 8), nl.multiply, 2.0, nl.add, psum(8, 8)
    )


@fault(r"both inputs in PSUM|not both", f"{ISA} tensor_tensor_scan")
def both_inputs_of_scan_in_psum(x: Any) -> None:
    nisa.tensor_tensor_scan(  # here
        sbuf(8, 8), psum(8, 8), psum(8, 8), 0.0, op0=nl.multiply, op1=nl.add
    )


@fault(r"PSUM", f"{ISA} power runs on GpSimd, which cannot access PSUM")
def power_from_psum(x: Any) -> None:
    nisa.tensor_tensor(sbuf(8, 8), psum(8, 8), sbuf(8, 8), op=nl.power)  # here


@fault(
    r"scalar", f"{ISA} tensor_copy: not on the Scalar Engine of NeuronCore-v2", generation="gen2"
)
def scalar_copy_on_gen2(x: Any) -> None:
    nisa.tensor_copy(sbuf(8, 8), sbuf(8, 8), engine=nisa.engine.scalar)  # here


@look_alike(f"{ISA} tensor_copy")
def scalar_copy_on_gen3(x: Any) -> None:
    nisa.tensor_copy(sbuf(8, 8), sbuf(8, 8), engine=nisa.engine.scalar)


# -- types and shapes ----------------------------------------------------------------------------


@fault(r"expected dst's shape|shape", f"{ERRORS} err_num_partition_mismatch")
def partitions_differ(x: Any) -> None:
    nisa.tensor_tensor(sbuf(128, 8), sbuf(128, 8), sbuf(1, 8), op=nl.add)  # here


@fault(r"shape", "nki-samples issue 36: operands of one elementwise instruction differ")
def free_sizes_differ(x: Any) -> None:
    nisa.tensor_copy(sbuf(8, 8), sbuf(8, 9))  # here


@fault(r"integer types", f"{ALU}: bitvec on integers")
def bit_operation_on_floats(x: Any) -> None:
    nisa.tensor_scalar(sbuf(8, 8), sbuf(8, 8), nl.bitwise_and, 1)  # here


@fault(r"one kind|same type|kind", f"{ISA} tensor_scalar: both operators of one type")
def arithmetic_after_bits(x: Any) -> None:
    tile = sbuf(8, 8, kind=I32)
    nisa.tensor_scalar(tile, tile, nl.bitwise_and, 1, op1=nl.add, operand1=1)  # here


@fault(r"gpsimd|one of", f"{ISA} tensor_tensor: power runs on GpSimd")
def power_on_vector(x: Any) -> None:
    tile = sbuf(8, 8)
    nisa.tensor_tensor(tile, tile, tile, op=nl.power, engine=nisa.engine.vector)  # here


@fault(r"engine|one of vector", f"{ISA} tensor_scalar: operators of the Scalar Engine")
def maximum_on_scalar(x: Any) -> None:
    tile = sbuf(8, 8)
    nisa.tensor_scalar(tile, tile, nl.maximum, 0.0, engine=nisa.engine.scalar)  # here


@fault(r"float32", f"{ISA} tensor_scalar: operands are float32")
def bf16_column_operand(x: Any) -> None:
    nisa.tensor_scalar(sbuf(8, 8), sbuf(8, 8), nl.add, sbuf(8, 1, kind=BF16))  # here


@fault(r"\(8, 1\)", f"{ERRORS} err_activation_scale_scalar_or_vector")
def column_operand_too_wide(x: Any) -> None:
    nisa.tensor_scalar(sbuf(8, 8), sbuf(8, 8), nl.add, sbuf(8, 2))  # here


@fault(r"float32", f"{ERRORS} err_activation_scale_invalid_type")
def activation_scale_float16(x: Any) -> None:
    scale = sbuf(8, 1, kind=nl.float16)
    nisa.activation(sbuf(8, 8), op=nl.exp, data=sbuf(8, 8), scale=scale)  # here


@fault(r"bias.*tfloat32", f"{ISA} activation: bias in any dtype but tfloat32")
def activation_bias_tfloat32(x: Any) -> None:
    bias = sbuf(8, 1, kind=nl.tfloat32)
    nisa.activation(sbuf(8, 8), op=nl.exp, data=sbuf(8, 8), bias=bias)  # here


@fault(r"bias", f"{ISA} activation: bias is a vector on NeuronCore-v2", generation="gen2")
def activation_bias_constant_on_gen2(x: Any) -> None:
    nisa.activation(sbuf(8, 8), op=nl.exp, data=sbuf(8, 8), bias=1.0)  # here


@fault(r"activation function", f"{ISA} activation")
def alu_operator_as_activation(x: Any) -> None:
    nisa.activation(sbuf(8, 8), op=nl.maximum, data=sbuf(8, 8))  # here


@fault(r"uint8, uint16, uint32", f"{ISA} tensor_copy_predicated")
def float_predicate(x: Any) -> None:
    nisa.tensor_copy_predicated(sbuf(8, 8), 1.0, sbuf(8, 8))  # here


@fault(r"dtype|bfloat16", f"{ISA} tensor_copy_predicated: src and dst share the dtype")
def predicated_copy_converts(x: Any) -> None:
    nisa.tensor_copy_predicated(  # here
        sbuf(8, 8), sbuf(8, 8, kind=BF16), sbuf(8, 8, kind=U8)
    )


@fault(r"last dims|last", f"{ISA} tensor_reduce: the last contiguous free dims")
def reduce_a_middle_axis(x: Any) -> None:
    nisa.tensor_reduce(sbuf(8, 4), nl.add, sbuf(8, 4, 4), axis=1)  # here


@fault(r"at most 512", "nki/api/nki.language.tile_size.rst")
def bn_stats_too_wide(x: Any) -> None:
    nisa.bn_stats(sbuf(8, 6), sbuf(8, 513))  # here


@fault(r"multiple of 3|modulo|three", f"{ISA} bn_aggr")
def bn_aggr_not_in_threes(x: Any) -> None:
    nisa.bn_aggr(sbuf(8, 2), sbuf(8, 8))  # here


@fault(r"8", f"{ISA} max8: 8..16384 elements")
def max8_of_seven(x: Any) -> None:
    nisa.max8(sbuf(8, 8), sbuf(8, 7))  # here


@fault(r"8", f"{ISA} nc_find_index8: 8 values")
def find_index_of_seven_values(x: Any) -> None:
    nisa.nc_find_index8(empty(8, 8, kind=U32), sbuf(8, 64), sbuf(8, 7))  # here


@fault(r"int32", f"{ISA} tensor_scalar_cumulative: no int32")
def cumulative_of_int32(x: Any) -> None:
    tile = sbuf(8, 8, kind=I32)
    nisa.tensor_scalar_cumulative(tile, tile, nl.multiply, nl.add, 1.0, 0.0)  # here


@fault(r"0\.\.1", f"{ISA} dropout: a probability")
def dropout_probability_above_one(x: Any) -> None:
    nisa.dropout(sbuf(8, 8), sbuf(8, 8), prob=1.5)  # here


@fault(r"integer|int", f"{ISA} rng: integer types")
def random_floats(x: Any) -> None:
    nisa.rng(empty(8, 8))  # here


@fault(r"uint16", f"{ISA} local_gather: uint16 indices")
def local_gather_int32_indices(x: Any) -> None:
    index = sbuf(128, 4, kind=I32)
    nisa.local_gather(sbuf(128, 64), sbuf(128, 512), index)  # here


@fault(r"uint32", f"{ISA} nc_n_gather: uint32 indices")
def n_gather_int32_indices(x: Any) -> None:
    nisa.nc_n_gather(sbuf(128, 4), sbuf(128, 64), sbuf(128, 4, kind=I32))  # here


@fault(r"64", f"{ISA} nc_n_gather: indices inside the partition", np.full((128, 4), 64, np.uint32))
def n_gather_out_of_range(ids: Any) -> None:
    nisa.nc_n_gather(sbuf(128, 4), sbuf(128, 64), nl.load(ids))  # here


@fault(r"32|quadrant|255", f"{ISA} nc_stream_shuffle: a mask of 32 sources")
def shuffle_from_partition_40(x: Any) -> None:
    nisa.nc_stream_shuffle(sbuf(32, 8), sbuf(32, 8), [40] * 32)  # here


@fault(r"with 8 elements|8", f"{ISA} iota: pattern and tile have equal sizes")
def iota_pattern_too_short(x: Any) -> None:
    nisa.iota(sbuf(8, 8, kind=I32), [[1, 7]])  # here


@fault(r"comparison", f"{ISA} affine_select")
def select_by_addition(x: Any) -> None:
    nisa.affine_select(sbuf(8, 8), [[1, 8]], 1, sbuf(8, 8), 0.0, cmp_op=nl.add)  # here


@fault(r"whole number|type", f"{RELEASE} 0.3: memset's value has the tile's type")
def memset_int_tile_with_a_fraction(x: Any) -> None:
    nisa.memset(sbuf(8, 8, kind=I32), 0.5)  # here


@fault(r"0\.\.255", f"{ISA} memset")
def memset_uint8_with_256(x: Any) -> None:
    nisa.memset(sbuf(8, 8, kind=U8), 256)  # here


@fault(r"32 x 32", f"{ISA} nc_transpose: Vector Engine up to 32 x 32")
def vector_transpose_too_large(x: Any) -> None:
    nisa.nc_transpose(sbuf(64, 32), sbuf(32, 64), engine=nisa.engine.vector)  # here


# -- generations ---------------------------------------------------------------------------------


@fault(r"trn1|gen2|range_select", f"{ISA} range_select: NeuronCore-v3 and later", generation="gen2")
def range_select_on_gen2(x: Any) -> None:
    low, high, tile = sbuf(8, 1), sbuf(8, 1), sbuf(8, 8)
    nisa.range_select(  # here
        tile, tile, nl.greater_equal, nl.less, low, high, on_false_value=-3.4028235e38
    )


@fault(r"trn2|trn3|gen4", f"{ISA} exponential: NeuronCore-v4")
def exponential_on_gen3(x: Any) -> None:
    nisa.exponential(sbuf(8, 8), sbuf(8, 8))  # here


@fault(r"trn2|trn3|gen4", f"{ISA} activate2: NeuronCore-v4")
def activate2_on_gen3(x: Any) -> None:
    tile = sbuf(8, 8)
    nisa.activate2(tile, nl.exp, tile, 1.0, 0.0, nl.multiply, nl.add)  # here


@fault(r"trn2|trn3|gen4", f"{ISA} quantize_mx: NeuronCore-v4")
def quantize_mx_on_gen3(x: Any) -> None:
    nisa.quantize_mx(  # here
        empty(32, 4, kind=nl.uint32), sbuf(32, 16, kind=BF16), empty(32, 4, kind=U8)
    )


@fault(r"float8_e4m3fn_x4 on trn2", f"{LANGUAGE}: packed formats are those of nc_matmul_mx")
def view_of_a_packed_format_on_gen3(x: Any) -> None:
    empty(32, 4, kind=nl.uint32).view(nl.float8_e4m3fn_x4)  # here


@fault(r"trn2|trn3|gen4", f"{ISA} rand2: NeuronCore-v4")
def rand2_on_gen3(x: Any) -> None:
    nisa.rand2(empty(8, 8), 0.0, 1.0)  # here


@fault(r"multiple of 32", f"{ISA} quantize_mx: partitions in multiples of 32", generation="gen4")
def quantize_mx_of_40_partitions(x: Any) -> None:
    nisa.quantize_mx(  # here
        empty(40, 4, kind=nl.float8_e4m3fn_x4), sbuf(40, 16, kind=BF16), empty(40, 4, kind=U8)
    )


# -- state that instructions share ---------------------------------------------------------------


@fault(r"never written", f"{ISA} reduce_cmd: reduce continues what was reset")
def accumulation_never_reset(x: Any) -> None:
    nisa.activation(  # here
        sbuf(8, 8), op=nl.exp, data=sbuf(8, 8),
        reduce_op=nl.add, reduce_res=empty(8, 1), reduce_cmd=nisa.reduce_cmd.reduce,
    )  # fmt: skip
