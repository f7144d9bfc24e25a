"""The chip's timing constants as plain seconds, at one end of their published ranges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from glia.chips import Link, Silicon
from glia.core.figures import Figure
from glia.isa.engines import engine
from glia.isa.stream import DmaWork, Instruction

Bound = Literal["optimistic", "likely", "pessimistic"]
_FIXED = (engine.vector, engine.scalar, engine.gpsimd, engine.sync)  # cycles beside the elements
BOUNDS: tuple[Bound, ...] = ("optimistic", "likely", "pessimistic")


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds, hertz and bytes per second of one core."""

    hertz: dict[engine, float]
    fixed_cycles: dict[engine, float]
    throttle_fraction: float
    throttle_ramp_s: float
    table_load_s: float
    semaphore_s: float
    dma_bandwidth: float
    stack_bandwidth: float
    stack_share: float
    cores_per_stack: int
    dma_engines: int
    dma_partitions: int  # of a tile that one DMA engine moves
    issue_hardware_s: float
    issue_software_s: float
    issue_static_s: float
    start_latency_s: float
    start_ready_s: float
    generators: int
    triggers: int
    completion_latency_s: float
    producer_latency_s: float
    descriptor_s: float
    transpose_from_hbm: float
    transpose_on_chip: float
    launch_overhead_s: float
    array_cells: int
    array_issue_s: float
    array_load_s: float
    fp32_overhead_cycles: float
    dependent_s: float
    vector_gpsimd_share_port: bool
    vector_modes_borrow_port: bool
    psum_one_at_a_time: bool
    psum_bank_bytes: int  # of banks that Vector and Scalar cannot use at once; 0: they can
    chip_cores: int
    link_bandwidth: float
    hop_latency_s: float
    mesh_limit_bytes: float
    rdh_limit_bytes: float
    costs: dict[tuple[object, ...], object] = field(
        init=False, default_factory=dict, repr=False, compare=False
    )  # what `cost.py` has worked out with these constants

    @staticmethod
    def of(silicon: Silicon, bound: Bound = "likely", link: Link | None = None) -> Timing:
        """Take every constant at the slow, likely or fast end of its Figure.

        Without the chip's `link`, ranks exchange as if they were all on one chip.
        """
        slow, fast = _pick(bound, slow=True), _pick(bound, slow=False)
        clock, dma, can, array = silicon.clock, silicon.dma, silicon.capabilities, silicon.tensor
        each, bank = array.issue_overhead_cycles, int(silicon.psum.bank_bytes.value)
        # Waits at a shared port are not published: none at the fast end, else a whole instruction.
        collides = bound != "optimistic"
        stack, dependent = fast(silicon.hbm.stack_bandwidth), silicon.scalar.dependent_cycles
        engines = int(dma.num_engines.value)
        return Timing(
            hertz={e: fast(getattr(clock, e.name)) for e in (engine.tensor, *_FIXED)},
            fixed_cycles={
                engine.tensor: slow(each),
                **{e: slow(getattr(silicon, e.name).fixed_cycles) for e in _FIXED},
            },
            throttle_fraction=fast(array.throttle_fraction),
            throttle_ramp_s=slow(array.throttle_ramp),
            table_load_s=slow(silicon.scalar.table_load),
            semaphore_s=slow(silicon.sync.semaphore),
            dma_bandwidth=min(fast(dma.engine_bandwidth) * engines, stack),
            stack_bandwidth=stack,
            stack_share=stack,
            cores_per_stack=int(silicon.hbm.cores_per_stack.value),
            dma_engines=engines,
            dma_partitions=max(1, int(array.rows.value) // engines),
            issue_hardware_s=slow(dma.issue_hwdge or dma.issue_static),
            issue_software_s=slow(dma.issue_swdge),
            issue_static_s=slow(dma.issue_static),
            start_latency_s=slow(dma.start_latency or dma.start_ready),
            start_ready_s=slow(dma.start_ready),
            generators=int((dma.generators or dma.triggers).value),
            triggers=int(dma.triggers.value),
            completion_latency_s=slow(dma.completion_latency),
            producer_latency_s=slow(dma.producer_latency),
            descriptor_s=slow(dma.descriptor_min),
            transpose_from_hbm=fast(dma.transpose_efficiency),
            transpose_on_chip=fast(dma.transpose_efficiency_sbuf),
            launch_overhead_s=slow(silicon.sync.launch_overhead),
            array_cells=int(array.rows.value * array.columns.value),
            array_issue_s=slow(array.min_cycles) / fast(clock.tensor),
            array_load_s=slow(array.stationary_load_cycles) / fast(clock.tensor),
            fp32_overhead_cycles=slow(array.fp32_issue_overhead_cycles or each),
            dependent_s=slow(dependent) / fast(clock.scalar) if dependent else 0.0,
            vector_gpsimd_share_port=can.vector_gpsimd_shared_port,
            vector_modes_borrow_port=can.vector_modes_borrow_gpsimd_port and collides,
            psum_one_at_a_time=not can.parallel_psum_access,
            psum_bank_bytes=bank if can.psum_bank_conflicts and collides else 0,
            chip_cores=silicon.num_cores,
            link_bandwidth=0.0 if link is None or not link.bandwidth else fast(link.bandwidth),
            hop_latency_s=slow(silicon.collectives.hop_latency),
            mesh_limit_bytes=silicon.collectives.mesh_limit.value,
            rdh_limit_bytes=silicon.collectives.rdh_limit.value,
        )

    def shared_by(self, cores: int) -> Timing:
        """The same while `cores` cores move data from and to one stack of HBM."""
        if cores == 1:
            return self
        share = self.stack_bandwidth / cores
        return replace(self, dma_bandwidth=min(self.dma_bandwidth, share), stack_share=share)

    def engine_s(self, one: Instruction) -> float:
        """Seconds of an engine's instruction at full clock.

        The array starts a product every `array_issue_s` at most, and none before its stationary
        tile is there, which loads behind the product before. Source: aws-neuron-sdk
        nki/deep-dives/nki_perf_guide.rst (short moving tensors).
        """
        fixed = self.fixed_cycles[one.engine]
        if one.work.flop_kind == "float32" and one.work.cell_rate < 0.5:  # more than two passes
            fixed = self.fp32_overhead_cycles
        seconds = (one.work.cycles + fixed) / self.hertz[one.engine]
        if one.engine is not engine.tensor:
            return seconds
        return max(seconds, self.array_issue_s, self.array_load_s)

    def share_of_array(self, one: Instruction) -> float:
        """Fraction of the systolic array that an instruction takes."""
        tile = one.work.tile
        return 1.0 if tile is None else tile.rows * tile.columns / self.array_cells

    def issue_s(self, dma: DmaWork) -> float:
        """Seconds that a transfer takes its queue, and GpSimd or a generator, to be issued."""
        if dma.software:
            return self.issue_software_s
        return self.issue_static_s if dma.static else self.issue_hardware_s

    def first_byte_s(self, dma: DmaWork) -> float:
        """Seconds from when a transfer's turn comes to its first byte.

        A generator's time is part of the published latency from the trigger; GpSimd triggers only
        when the descriptors are written.
        """
        if dma.software:
            return self.issue_software_s + self.start_ready_s
        return self.start_ready_s if dma.static else self.start_latency_s

    def lanes_of(self, dma: DmaWork) -> int:
        """DMA engines that a transfer uses: one per contiguous piece at most, and of a tile one per
        group of neighbouring partitions.

        Source: aws-neuron-sdk nki/get-started/about/nki-dma-overview.rst (each engine moves eight
        of the 128; 32 KiB into four partitions took one engine 1.416 us).
        """
        lanes = min(self.dma_engines, dma.num_elements)
        if dma.num_partitions:
            lanes = min(lanes, -(-dma.num_partitions // self.dma_partitions))
        return max(1, lanes)


def _pick(bound: Bound, slow: bool) -> Callable[[Figure], float]:
    """A reader of Figures: `slow` constants hurt when large, the others when small."""

    def read(figure: Figure) -> float:
        if bound == "likely":
            return figure.value
        take_high = slow == (bound == "pessimistic")
        end = figure.high if take_high else figure.low
        return figure.value if end is None else end

    return read
