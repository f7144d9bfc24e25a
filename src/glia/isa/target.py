"""The chip as instructions see it: plain numbers and capabilities taken from its file.

An instruction asks the target what it may do and what it costs; no generation is named in code.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from glia.chips import Capabilities, Silicon, load_chip
from glia.core.errors import UnsupportedError
from glia.core.figures import Figure

PARTITIONS = 128
QUADRANT = 32


@dataclass(frozen=True, slots=True)
class Target:
    """One chip to trace for. Sizes in bytes per partition, costs in engine cycles.

    `mx_scale_margin` is a rule of the language, not of silicon: by how many powers of two the MX
    scale of a group exceeds that of the OCP text, 1 since NKI 0.5 (its release notes), 0 before.
    """

    chip: str
    generation: str
    can: Capabilities
    sbuf_bytes: int
    psum_banks: int
    psum_bank_bytes: int
    max_moving: int
    max_moving_2byte: int
    max_stationary: int
    fp32_passes: float
    fp32_passes_onezero: float
    min_row_tile: int
    double_row_rate: float
    mx_rate: float
    vector_min: float
    copy_rate_2byte: float
    copy_rate_2byte_mixed: float
    copy_rate_fp32: float
    tensor_tensor_rate_2byte: float
    reciprocal_cycles: float
    two_operand_cycles: float
    reduce_rate_2byte: float
    memset_zero_rate_2byte: float
    dynamic_copy_min: float
    bn_aggr_cycles: float
    select_reduce_cycles: float
    cumulative_cycles: float
    exponential_rate: float
    quantize_mx_rate: float
    xorwow_rate: float
    scalar_min: float
    scalar_rate_2byte: float
    gpsimd_min: float
    gpsimd_fixed: float
    gather_overhead: float
    gather_batch: float
    topk_cycles: float
    partition_reduce_cycles: float
    serial_cycles: float
    gpsimd_cycles: float
    gpsimd_two_operand_cycles: float
    gpsimd_rsqrt_cycles: float
    mesh_limit: float
    rdh_limit: float
    mx_scale_margin: int = 1

    @property
    def psum_bytes(self) -> int:
        """PSUM bytes of one partition."""
        return self.psum_banks * self.psum_bank_bytes


@cache
def target_of(chip_name: str) -> Target:
    """The target of a chip that glia can execute.

    Raises:
        UnsupportedError: for a chip known only from its data sheet.
    """
    chip = load_chip(chip_name)
    if chip.silicon is None:
        raise UnsupportedError(
            f"running on {chip.name}: got a chip without a virtual model, expected a NeuronCore; "
            "compare with it through --against instead"
        )
    return _from_silicon(chip.name, chip.silicon)


def _rate(figure: Figure | None) -> float:
    """Elements per cycle; 1 where the chip has no such instruction, so that nothing asks for it."""
    return 1.0 if figure is None else figure.value


def _from_silicon(name: str, s: Silicon) -> Target:
    return Target(
        chip=name,
        generation=s.generation,
        can=s.capabilities,
        sbuf_bytes=int(s.sbuf.usable_partition_bytes.value),
        psum_banks=int(s.psum.num_banks.value),
        psum_bank_bytes=int(s.psum.bank_bytes.value),
        max_moving=int(s.tensor.max_moving_free.value),
        max_moving_2byte=int(s.tensor.max_moving_free_2byte.value),
        max_stationary=int(s.tensor.max_stationary_free.value),
        fp32_passes=s.tensor.fp32_passes.value,
        fp32_passes_onezero=s.tensor.fp32_passes_onezero.value,
        min_row_tile=int(s.tensor.min_row_tile.value),
        double_row_rate=s.tensor.fp8_rate.value,
        mx_rate=_rate(s.tensor.mx_rate),
        vector_min=s.vector.min_cycles.value,
        copy_rate_2byte=s.vector.copy_rate_2byte.value,
        copy_rate_2byte_mixed=s.vector.copy_rate_2byte_mixed.value,
        copy_rate_fp32=s.vector.copy_rate_fp32.value,
        tensor_tensor_rate_2byte=s.vector.tensor_tensor_rate_2byte.value,
        reciprocal_cycles=s.vector.reciprocal_cycles_per_element.value,
        two_operand_cycles=s.vector.two_operand_cycles_per_element.value,
        reduce_rate_2byte=s.vector.reduce_rate_2byte.value,
        memset_zero_rate_2byte=s.vector.memset_zero_rate_2byte.value,
        dynamic_copy_min=s.vector.dynamic_copy_min_cycles.value,
        bn_aggr_cycles=s.vector.bn_aggr_cycles_per_triple.value,
        select_reduce_cycles=s.vector.select_reduce_cycles_per_element.value,
        cumulative_cycles=s.vector.cumulative_cycles_per_element.value,
        exponential_rate=_rate(s.vector.exponential_rate),
        quantize_mx_rate=_rate(s.vector.quantize_mx_rate),
        xorwow_rate=_rate(s.vector.xorwow_rate),
        scalar_min=s.scalar.min_cycles.value,
        scalar_rate_2byte=s.scalar.rate_2byte.value,
        gpsimd_min=s.gpsimd.min_cycles.value,
        gpsimd_fixed=s.gpsimd.fixed_cycles.value,
        gather_overhead=s.gpsimd.gather_overhead_cycles.value,
        gather_batch=s.gpsimd.gather_batch.value,
        topk_cycles=s.gpsimd.topk_cycles_per_element.value,
        partition_reduce_cycles=s.gpsimd.partition_reduce_cycles_per_element.value,
        serial_cycles=s.gpsimd.serial_cycles_per_element.value,
        gpsimd_cycles=s.gpsimd.cycles_per_element.value,
        gpsimd_two_operand_cycles=s.gpsimd.two_operand_cycles_per_element.value,
        gpsimd_rsqrt_cycles=s.gpsimd.rsqrt_cycles_per_element.value,
        mesh_limit=s.collectives.mesh_limit.value,
        rdh_limit=s.collectives.rdh_limit.value,
    )
