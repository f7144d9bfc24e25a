"""Planted bugs: the Tensor engine, PSUM accumulation, and DMA."""

from __future__ import annotations

from typing import Any

import numpy as np

import glia.nki.isa as nisa
import glia.nki.language as nl
from faults.planted import X, empty, fault, look_alike, psum, sbuf

ISA = "nki/api/nki/isa/__init__.py"
RELEASE = "release-notes/components/nki.rst"
BF16, F16, I32 = nl.bfloat16, nl.float16, nl.int32


def operands(m: int = 64, n: int = 64, k: int = 64) -> Any:
    """Stationary [k, m] and moving [k, n] in bfloat16."""
    return sbuf(k, m, kind=BF16), sbuf(k, n, kind=BF16)


def bank(m: int, n: int, kind: Any = nl.float32, **more: Any) -> Any:
    return empty(m, n, kind=kind, buffer=nl.psum, **more)


@fault(r"stationary", f"{ISA} nc_matmul: contraction along the partitions")
def operands_not_transposed(x: Any) -> None:
    left, right = sbuf(64, 128, kind=BF16), sbuf(128, 32, kind=BF16)
    nisa.nc_matmul(bank(64, 32), left, right)  # here


@fault(r"dst.*shape", "nki-samples issue 36: the result has stationary's columns as rows")
def result_transposed(x: Any) -> None:
    left, right = operands(m=64, n=128)
    nisa.nc_matmul(bank(128, 64), left, right)  # here


@fault(r"stationary.*sbuf", f"{ISA} nc_matmul: reads SBUF")
def stationary_in_psum(x: Any) -> None:
    nisa.nc_matmul(bank(8, 8), psum(8, 8), sbuf(8, 8))  # here


@fault(r"dst.*psum", f"{ISA} nc_matmul: writes PSUM")
def product_to_sbuf(x: Any) -> None:
    left, right = operands()
    nisa.nc_matmul(empty(64, 64), left, right)  # here


@fault(r"at most 128", "nki/api/nki.language.tile_size.rst gemm_stationary_fmax")
def stationary_too_wide(x: Any) -> None:
    left, right = operands(m=129, n=8)
    nisa.nc_matmul(bank(128, 8), left, right)  # here


@fault(r"gemm_moving_fmax|512", "nki/api/nki.language.tile_size.rst gemm_moving_fmax")
def moving_too_wide(x: Any) -> None:
    left, right = operands(n=513)
    nisa.nc_matmul(bank(64, 513), left, right)  # here


@fault(r"one bank of 2048 bytes", "nki/guides/architecture/trainium2_arch.rst: PSUM banks")
def product_across_two_banks(x: Any) -> None:
    left, right = operands(n=300)
    nisa.nc_matmul(bank(64, 600)[:, 300:600], left, right)  # here


@fault(r"float32", f"{ISA} nc_matmul: dst is float32 before NeuronCore-v4")
def bf16_accumulation_on_gen3(x: Any) -> None:
    left, right = operands()
    nisa.nc_matmul(bank(64, 64, BF16), left, right)  # here


@look_alike(f"{ISA} nc_matmul: dst may be bfloat16 on NeuronCore-v4", generation="gen4")
def bf16_accumulation_on_gen4(x: Any) -> None:
    left, right = operands()
    nisa.nc_matmul(bank(64, 64, BF16), left, right)


@fault(r"float32 only with float32|float32", f"{ISA} nc_matmul: fp32 only with fp32")
def fp32_with_bf16(x: Any) -> None:
    nisa.nc_matmul(bank(64, 64), sbuf(64, 64), sbuf(64, 64, kind=BF16))  # here


@look_alike(f"{ISA} nc_matmul: 16-bit kinds mix")
def bf16_with_fp16(x: Any) -> None:
    nisa.nc_matmul(bank(64, 64), sbuf(64, 64, kind=BF16), sbuf(64, 64, kind=F16))


@fault(r"convert it first", f"{ISA} nc_matmul: floating-point operands")
def int_matmul(x: Any) -> None:
    nisa.nc_matmul(bank(64, 64), sbuf(64, 64, kind=I32), sbuf(64, 64, kind=I32))  # here


@fault(r"float8_e4m3fn", f"{RELEASE} 0.4: e4m3 and e4m3fn do not mix", generation="gen4")
def both_kinds_of_e4m3(x: Any) -> None:
    nisa.nc_matmul(  # here
        bank(64, 64), sbuf(64, 64, kind=nl.float8_e4m3), sbuf(64, 64, kind=nl.float8_e4m3fn)
    )


@fault(r"float8_e4m3fn", f"{RELEASE} 0.4: e4m3fn is NeuronCore-v4's")
def e4m3fn_on_gen3(x: Any) -> None:
    tile = sbuf(64, 64, kind=nl.float8_e4m3fn)
    nisa.nc_matmul(bank(64, 64), tile, tile)  # here


@fault(r"double_row|performance|perf_mode", f"{ISA} nc_matmul: no performance mode on v2",
       generation="gen2")  # fmt: skip
def double_row_on_gen2(x: Any) -> None:
    left, right = (sbuf(128, 2, 64, kind=nl.float8_e4m3) for _ in range(2))
    mode = nisa.matmul_perf_mode.double_row
    nisa.nc_matmul(bank(64, 64), left, right, perf_mode=mode)  # here


@fault(r"fp8|float8", f"{ISA} nc_matmul: double_row is for fp8")
def double_row_with_bf16(x: Any) -> None:
    left, right = (sbuf(128, 2, 64, kind=BF16) for _ in range(2))
    mode = nisa.matmul_perf_mode.double_row
    nisa.nc_matmul(bank(64, 64), left, right, perf_mode=mode)  # here


@fault(r"tile_position|tile_size", f"{ISA} nc_matmul: position and size are set together")
def tile_size_without_position(x: Any) -> None:
    left, right = operands(k=32)
    nisa.nc_matmul(bank(64, 64), left, right, tile_size=(32, 128))  # here


# -- accumulation ----------------------------------------------------------------------------------


@fault(r"undefined on hardware", f"{ISA} nc_matmul: accumulating onto other data is undefined")
def accumulate_onto_memset(x: Any) -> None:
    left, right = operands()
    nisa.nc_matmul(psum(64, 64), left, right, accumulate=True)  # here


@fault(r"never written|no matmul started|undefined", f"{RELEASE} 0.5: accumulate on fresh PSUM")
def accumulate_without_a_start(x: Any) -> None:
    left, right = operands()
    nisa.nc_matmul(bank(64, 64), left, right, accumulate=True)  # here


@fault(r"in part", f"{RELEASE} 0.6: accumulation into overlapping regions")
def accumulate_onto_a_part(x: Any) -> None:
    left, right = operands()
    sums = bank(64, 64)
    nisa.nc_matmul(sums[:, 0:32], left, right[:, 0:32])
    nisa.nc_matmul(sums, left, right)  # here


@fault(r"undefined on hardware", "nki-samples issue 1051: += outside of PSUM accumulation")
def bias_put_into_psum_first(x: Any) -> None:
    left, right = operands()
    sums = bank(64, 64)
    nisa.tensor_copy(sums, sbuf(64, 64))
    nisa.nc_matmul(sums, left, right, accumulate=True)  # here


@look_alike(f"{ISA} nc_matmul: the first write overwrites, later ones add")
def automatic_accumulation(x: Any) -> None:
    left, right = operands()
    sums = bank(64, 64)
    for _ in range(3):
        nisa.nc_matmul(sums, left, right)


@look_alike(f"{ISA} nc_matmul: accumulate=False starts anew on what memset wrote")
def overwrite_after_memset(x: Any) -> None:
    left, right = operands()
    nisa.nc_matmul(psum(64, 64), left, right, accumulate=False)


@fault(r"data's", f"{ISA} nc_transpose: dst has data's dtype")
def transpose_converts(x: Any) -> None:
    nisa.nc_transpose(bank(8, 64), sbuf(64, 8, kind=BF16))  # here


@fault(r"shape", f"{ISA} nc_transpose")
def transpose_result_not_transposed(x: Any) -> None:
    nisa.nc_transpose(bank(64, 40), sbuf(64, 40))  # here


@fault(r"at most 128|128", f"{ISA} nc_transpose: up to 128 x 128")
def transpose_too_wide(x: Any) -> None:
    nisa.nc_transpose(bank(128, 64), sbuf(64, 129)[:, 0:129])  # here


# -- DMA -------------------------------------------------------------------------------------------


@fault(r"copy PSUM to SBUF", f"{RELEASE} 0.3: dma_copy no longer reads PSUM")
def dma_from_psum(x: Any) -> None:
    nisa.dma_copy(sbuf(8, 8), psum(8, 8))  # here


@fault(r"copy PSUM to SBUF", f"{ISA} dma_copy: no PSUM")
def store_psum_to_hbm(x: Any) -> None:
    nisa.dma_copy(empty(8, 8, buffer=nl.hbm), psum(8, 8))  # here


@fault(r"equal numbers of elements", f"{ISA} dma_copy: totals match")
def dma_totals_differ(x: Any) -> None:
    nisa.dma_copy(sbuf(128, 511), x)  # here


@fault(r"hwdge", f"{RELEASE} 0.3: hwdge does not convert")
def hardware_descriptors_with_a_cast(x: Any) -> None:
    nisa.dma_copy(sbuf(128, 512, kind=BF16), x, dge_mode=nisa.dge_mode.hwdge)  # here


@fault(r"hwdge", "nki/deep-dives/nki-dge.rst: hardware descriptors from NeuronCore-v3",
       generation="gen2")  # fmt: skip
def hardware_descriptors_on_gen2(x: Any) -> None:
    nisa.dma_copy(sbuf(128, 512), x, dge_mode=nisa.dge_mode.hwdge)  # here


@look_alike("nki/guides/nki_simulator.rst: arguments that the kernel writes are updated in place")
def writing_an_argument_in_place(x: Any) -> None:
    nisa.dma_copy(x, sbuf(128, 512))


@fault(r"constant", "nki.language.shared_constant: part of the program")
def writing_a_constant(x: Any) -> None:
    table = nl.shared_constant(np.zeros((8, 8), np.float32))
    nisa.dma_copy(table, sbuf(8, 8))  # here


@fault(
    r"int32|uint32", f"{ISA} dma_copy: row numbers are integers", X, np.zeros((4, 1), np.float32)
)
def gather_by_floats(x: Any, ids: Any) -> None:
    numbers = nl.load(ids)
    x.ap([[512, 4], [1, 512]], vector_offset=numbers)  # here


@fault(r"dtype|float32|bfloat16", f"{ISA} dma_transpose: src and dst share the dtype")
def dma_transpose_converts(x: Any) -> None:
    nisa.dma_transpose(empty(64, 16, kind=BF16), x[0:16, 0:64])  # here


@fault(r"shape|rank", f"{RELEASE} 0.4: dma_transpose's dst has the transposed shape",
       np.zeros((16, 64), np.float16))  # fmt: skip
def dma_transpose_into_another_shape(x: Any) -> None:
    nisa.dma_transpose(empty(64, 4, 4, kind=F16), x)  # here


@fault(r"add", f"{ISA} dma_compute: adds only")
def dma_compute_multiplies(x: Any) -> None:
    nisa.dma_compute(sbuf(128, 512), [x, x], nl.multiply)  # here


@fault(r"16", f"{ISA} dma_compute: up to 16 sources")
def dma_compute_of_17(x: Any) -> None:
    nisa.dma_compute(sbuf(128, 512), [x] * 17, nl.add)  # here


@fault(r"priority", f"{ISA} dma_copy: priority from NeuronCore-v4")
def dma_priority_on_gen3(x: Any) -> None:
    nisa.dma_copy(sbuf(128, 512), x, priority=1)  # here
