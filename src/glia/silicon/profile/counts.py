"""What a stream does, counted: FLOPs, bytes, DMA pieces. No time in here.

MFU, HFU and MBU follow aws-neuron-sdk tools/neuron-explorer/profile-schema-reference.rst
(mfu_estimated_percent, hfu_estimated_percent, mbu_estimated_percent): FLOPs over the bf16 peak,
rows x columns x 2 x clock, in every format. Its adjusted FLOPs weigh a FLOP by how long its format
takes (fp32 4, fp8 double rows 0.5, MX 0.25); here that is the ideal time on a full array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from glia.chips import Silicon
from glia.isa.stream import Stream

SMALL_PIECE_BYTES = 512  # below it a DMA mostly pays for its pieces (nki-dma-overview.rst)


@dataclass(frozen=True, slots=True)
class Counts:
    """Totals over all cores of a launch.

    `flops` are useful multiply and add operations of the Tensor engine, `all_flops` those of all
    it does, transposes too. `useful_tensor_s` is the
    ideal time of those: a full array, at full clock, in the mode of each instruction; `tensor_s`
    that of all its work, transposes too.
    """

    flops: float = 0.0
    all_flops: float = 0.0
    useful_tensor_s: float = 0.0
    tensor_s: float = 0.0
    hbm_read_bytes: int = 0
    hbm_write_bytes: int = 0
    num_transfers: int = 0
    dma_bytes: int = 0
    num_pieces: int = 0
    small_bytes: int = 0

    @property
    def hbm_bytes(self) -> int:
        """Bytes read and written."""
        return self.hbm_read_bytes + self.hbm_write_bytes


def count(streams: Sequence[Stream], silicon: Silicon) -> Counts:
    """Count all instructions of all cores."""
    flops = all_flops = useful = every = 0.0
    peak = peak_flops(silicon, 1)
    read = written = transfers = moved = pieces = small = 0
    for stream in streams:
        for one in stream.instructions:
            work = one.work
            if work.flops:
                ideal_s = work.flops / (peak * work.cell_rate)
                every += ideal_s
                all_flops += work.flops
                if work.useful:
                    flops += work.flops
                    useful += ideal_s
            if work.dma is not None:
                read += work.dma.hbm_read_bytes
                written += work.dma.hbm_write_bytes
                transfers += 1
                moved += work.dma.num_bytes
                pieces += work.dma.num_elements
                if work.dma.element_bytes < SMALL_PIECE_BYTES:
                    small += work.dma.num_bytes
    return Counts(flops, all_flops, useful, every, read, written, transfers, moved, pieces, small)


def peak_flops(silicon: Silicon, num_cores: int) -> float:
    """Tensor-engine FLOP/s at one product per cell and cycle: rows x columns x 2 x clock."""
    tensor = silicon.tensor
    return (
        num_cores * 2 * tensor.rows.value * tensor.columns.value * silicon.clock.tensor.value
    )  # fmt: skip


def stack_bandwidth(silicon: Silicon, num_cores: int) -> float:
    """Bytes/s of the HBM stacks that this many cores use."""
    stacks = -(-num_cores // int(silicon.hbm.cores_per_stack.value))
    return stacks * silicon.hbm.stack_bandwidth.value


def dma_bandwidth(silicon: Silicon, num_cores: int) -> float:
    """Theoretical bytes/s of the DMA engines."""
    dma = silicon.dma
    one = dma.engine_bandwidth.high or dma.engine_bandwidth.value
    return num_cores * dma.num_engines.value * one
