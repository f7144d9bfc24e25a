"""The `silicon` section of a chip file: what the virtual chip is built from.

Every number is a Figure; `capabilities` are plain, so that code asks what a chip can do and never
which chip it is. All memories are per core unless the name says otherwise.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from glia.chips.quantity import (
    Bytes,
    BytesPerSecond,
    Count,
    Cycles,
    Fraction,
    Hertz,
    JoulesPerByte,
    JoulesPerElement,
    JoulesPerFlop,
    Ratio,
    Seconds,
    Watts,
)


class Section(BaseModel):
    """Base of every part of a chip file: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Clock(Section):
    """Engine clocks."""

    tensor: Hertz
    vector: Hertz
    scalar: Hertz
    gpsimd: Hertz
    sync: Hertz


class Sbuf(Section):
    """On-chip state buffer, bytes of one of the 128 partitions."""

    partition_bytes: Bytes
    usable_partition_bytes: Bytes


class Psum(Section):
    """Accumulator memory: banks per partition, and bytes of one bank in one partition."""

    num_banks: Count
    bank_bytes: Bytes


class TensorEngine(Section):
    """The systolic array."""

    rows: Count
    columns: Count
    max_moving_free: Count
    max_moving_free_2byte: Count
    max_stationary_free: Count
    fp32_passes: Count
    fp32_passes_onezero: Count
    min_row_tile: Count
    fp8_rate: Ratio
    mx_rate: Ratio | None = None
    issue_overhead_cycles: Cycles
    fp32_issue_overhead_cycles: Cycles | None = None  # of all passes; None: as for the others
    min_cycles: Cycles
    stationary_load_cycles: Cycles
    throttle_fraction: Fraction
    throttle_ramp: Seconds


class VectorEngine(Section):
    """The elementwise and reduction engine; rates are elements per lane and cycle.

    Rates of instructions that a generation lacks are absent.
    """

    lanes: Count
    fixed_cycles: Cycles
    min_cycles: Cycles
    copy_rate_2byte: Ratio
    copy_rate_fp32: Ratio
    copy_rate_2byte_mixed: Ratio
    tensor_tensor_rate_2byte: Ratio
    reciprocal_cycles_per_element: Cycles
    two_operand_cycles_per_element: Cycles
    reduce_rate_2byte: Ratio
    memset_zero_rate_2byte: Ratio
    dynamic_copy_min_cycles: Cycles
    bn_aggr_cycles_per_triple: Cycles
    select_reduce_cycles_per_element: Cycles
    cumulative_cycles_per_element: Cycles
    exponential_rate: Ratio | None = None
    quantize_mx_rate: Ratio | None = None
    xorwow_rate: Ratio | None = None


class ScalarEngine(Section):
    """The activation engine.

    `dependent_cycles` are added where an instruction reads what the one before it wrote.
    """

    fixed_cycles: Cycles
    dependent_cycles: Cycles | None = None
    min_cycles: Cycles
    table_load: Seconds
    rate_2byte: Ratio


class GpsimdEngine(Section):
    """The general-purpose engine."""

    fixed_cycles: Cycles
    min_cycles: Cycles
    cycles_per_element: Cycles
    two_operand_cycles_per_element: Cycles
    rsqrt_cycles_per_element: Cycles
    gather_overhead_cycles: Cycles
    gather_batch: Count
    topk_cycles_per_element: Cycles
    partition_reduce_cycles_per_element: Cycles
    serial_cycles_per_element: Cycles


class Dma(Section):
    """The DMA engines of one core, and what starting and ending a transfer costs.

    `triggers` sequencers start transfers. `start_ready` runs from the trigger to the first byte
    when the descriptors are in memory, `start_latency` when one of the `generators` first makes
    them; where there are none, the figures of hardware descriptors are absent.
    """

    num_engines: Count
    engine_bandwidth: BytesPerSecond
    triggers: Count
    issue_static: Seconds
    issue_swdge: Seconds
    start_ready: Seconds
    generators: Count | None = None
    issue_hwdge: Seconds | None = None
    start_latency: Seconds | None = None
    completion_latency: Seconds
    descriptor_min: Seconds
    producer_latency: Seconds
    transpose_efficiency: Fraction
    transpose_efficiency_sbuf: Fraction
    queues_per_engine: Count


class Hbm(Section):
    """One HBM stack and how many physical cores share it."""

    stack_bandwidth: BytesPerSecond
    cores_per_stack: Count


class Sync(Section):
    """Waiting for another engine, the sequencer's own instructions, and starting a kernel."""

    fixed_cycles: Cycles
    semaphore: Seconds
    launch_overhead: Seconds


class Collectives(Section):
    """Exchange between ranks: latency of one step, and up to which size an algorithm is chosen."""

    hop_latency: Seconds
    mesh_limit: Bytes
    rdh_limit: Bytes


class Capabilities(Section):
    """What this generation can do (see the architecture guides, access restrictions)."""

    hwdge: bool
    dma_transpose: bool
    scalar_tensor_copy: bool
    parallel_psum_access: bool
    vector_gpsimd_shared_port: bool
    vector_modes_borrow_gpsimd_port: bool
    psum_bank_conflicts: bool
    transpose_bit_exact: bool
    range_select: bool
    tensor_indirection: bool
    activation_bias_constant: bool
    lnc2: bool
    dma_accumulate_full_rate: bool
    dma_priority: bool
    psum_bf16_output: bool
    psum_accumulate_any: bool
    ocp_fp8: bool
    matmul_double_row: bool
    matmul_mx: bool
    activate2: bool
    gpsimd_activation: bool
    activation_reciprocal_bias: bool
    alu_abs_extrema: bool
    nonzero_with_count: bool
    gpsimd_rng: bool
    vector_xorwow: bool
    vector_exponential: bool
    quantize_mx: bool
    scalar_tensor_scalar: bool


class Energy(Section):
    """Energy of one operation or byte, and power that flows whatever the chip does."""

    tensor_flop_bf16: JoulesPerFlop
    tensor_flop_fp32: JoulesPerFlop
    tensor_flop_fp8: JoulesPerFlop
    vector_element: JoulesPerElement
    scalar_element: JoulesPerElement
    gpsimd_element: JoulesPerElement
    sbuf_byte: JoulesPerByte
    psum_byte: JoulesPerByte
    hbm_byte: JoulesPerByte
    static_power: Watts


class Silicon(Section):
    """Everything the virtual chip needs; `num_cores` counts physical cores per chip."""

    generation: Literal["gen2", "gen3", "gen4"]
    num_cores: int
    clock: Clock
    sbuf: Sbuf
    psum: Psum
    tensor: TensorEngine
    vector: VectorEngine
    scalar: ScalarEngine
    gpsimd: GpsimdEngine
    dma: Dma
    hbm: Hbm
    sync: Sync
    collectives: Collectives
    capabilities: Capabilities
    energy: Energy
