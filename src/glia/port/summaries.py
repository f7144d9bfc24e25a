"""Records and one-line results of the steps."""

from __future__ import annotations

from collections import Counter

from glia.compiler import Compiled
from glia.core.records import CompileSummary, Parity, RunResult
from glia.core.units import format_quantity


def compile_summary(compiled: Compiled) -> CompileSummary:
    """What the compiler made, in figures."""
    program = compiled.program
    kernels = Counter(_family(launch.kernel) for launch in program.launches)
    return CompileSummary(
        chip=program.chip,
        precision=program.precision,
        num_launches=len(program.launches),
        num_streams=len(program.streams),
        num_instructions=program.num_instructions,
        weight_bytes=program.bytes_of("weight"),
        activation_bytes=program.hbm_bytes - program.bytes_of("weight"),
        kernels=dict(sorted(kernels.items())),
        fusions=program.notes,
    )


def _family(kernel: str) -> str:
    """Generated kernels count together."""
    return "fused (generated)" if kernel.startswith("fused_") else kernel


def compile_note(summary: CompileSummary) -> str:
    """One line."""
    return (
        f"{summary.num_launches} launches of {summary.num_streams} kernels, "
        f"{summary.num_instructions:,} instructions, "
        f"{format_quantity(summary.weight_bytes + summary.activation_bytes, 'B')} of HBM"
    )


def run_note(result: RunResult) -> str:
    """One line: what it takes, with its range, its mark and where its sources stand."""
    if result.basis == "measured":
        return f"{result.latency} measured"
    sources = f"[sources: glia chips show {result.chip}]"
    return f"{result.latency}, {result.energy} per batch, predicted {sources}"


def prove_note(parity: Parity) -> str:
    """One line: the verdict."""
    failure = parity.first_failure
    if failure is not None:
        layer = f" in {failure.layer}" if failure.layer else ""
        return f"FAILED first at {failure.name}{layer}: error over budget"
    bad = next((o for o in parity.outputs if not o.ok), None)
    if bad is not None:
        return f"FAILED at output {bad.name}: cosine {bad.min_cosine:.6f}, {bad.ranking_note}"
    worst = min((o.min_cosine for o in parity.outputs), default=1.0)
    return f"{len(parity.layers)} values inside their budgets, outputs' lowest cosine {worst:.6f}"
