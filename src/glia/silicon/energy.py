"""Energy of a stream: what its operations and bytes cost, as an Estimate, without static power.

The vendor publishes no watts; the per-operation figures come from public circuit literature (see
the chip file), so the interval is wide on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from glia.chips import Chip, Energy
from glia.core.figures import Estimate, Figure
from glia.isa.engines import engine
from glia.isa.meetings.algorithms import sent_bytes
from glia.isa.stream import CollectiveWork, Stream
from glia.silicon.time.collectives import leaves_chip


@dataclass(frozen=True, slots=True)
class StreamEnergy:
    """Joules of one launch by cause, and the counted totals behind them."""

    by_cause: Mapping[str, Estimate]
    flops: float
    hbm_read_bytes: int
    hbm_write_bytes: int

    @property
    def total(self) -> Estimate:
        """Sum over the causes; static power is not included."""
        total = Estimate(0, 0, 0, "J", "")
        for part in self.by_cause.values():
            total = total.plus(part)
        return total


LINK = "link_byte"
_ELEMENT_FIGURES = {
    engine.vector: "vector_element",
    engine.scalar: "scalar_element",
    engine.gpsimd: "gpsimd_element",
}


def stream_energy(stream: Stream, energy: Energy, chip: Chip | None = None) -> StreamEnergy:
    """Charge every instruction of a stream; with the `chip`, what it sends to others, too."""
    counts: dict[str, float] = {}
    flops, read, written = 0.0, 0, 0
    for made in stream.instructions:
        work = made.work
        _add(counts, "sbuf_byte", work.sram.sbuf_bytes)
        _add(counts, "psum_byte", work.sram.psum_bytes)
        if work.flops:
            _add(counts, _flop_figure(work.flop_kind), work.flops)
            flops += work.flops if work.useful else 0.0
        elif made.engine in _ELEMENT_FIGURES:
            _add(counts, _ELEMENT_FIGURES[made.engine], work.elements)
        if work.collective is not None and chip is not None:
            _add(counts, LINK, _sent_to_other_chips(work.collective, stream, chip))
        if work.dma is not None:
            read += work.dma.hbm_read_bytes
            written += work.dma.hbm_write_bytes
    _add(counts, "hbm_byte", read + written)
    parts = {name: _charge(_figure(name, energy, chip), count) for name, count in counts.items()}
    return StreamEnergy(parts, flops, read, written)


def _figure(name: str, energy: Energy, chip: Chip | None) -> Figure:
    if name != LINK:
        return getattr(energy, name)
    assert chip is not None and chip.link is not None and chip.link.energy is not None
    return chip.link.energy


def _sent_to_other_chips(work: CollectiveWork, stream: Stream, chip: Chip) -> float:
    """Bytes that this rank sends over links, as the time has it: all, when ranks are on several."""
    if chip.link is None or chip.link.energy is None or chip.silicon is None:
        return 0.0
    if not leaves_chip(work, chip.silicon.num_cores, stream.place.num_cores):
        return 0.0
    return sent_bytes(work.kind, work.group_size, work.num_bytes)


def _add(counts: dict[str, float], name: str, amount: float) -> None:
    if amount:
        counts[name] = counts.get(name, 0.0) + amount


def _flop_figure(kind: str) -> str:
    if kind == "float32":
        return "tensor_flop_fp32"
    return "tensor_flop_fp8" if kind.startswith(("float8", "float4")) else "tensor_flop_bf16"


def _charge(figure: Figure, count: float) -> Estimate:
    return figure.estimate().scaled(count, "J")
