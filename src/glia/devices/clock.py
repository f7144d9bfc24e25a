"""A RunResult from a real clock: what is not measured stays unknown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from glia.core.figures import Estimate, exact
from glia.core.records import RunResult
from glia.cost.work import count_flops
from glia.frontends.captured import Captured


def measured_result(
    device: str, precision: str, captured: Captured, seconds: Sequence[float]
) -> RunResult:
    """Latency between the fastest and the slowest run, the median as likely."""
    num_sequences = captured.summary.num_sequences
    latency = Estimate(
        min(seconds), statistics.median(seconds), max(seconds), "s",
        f"wall clock over {len(seconds)} runs", ("the clock of this machine",), mark="measured",
    )  # fmt: skip
    return RunResult(
        device=device,
        chip="this machine",
        precision=precision,
        basis="measured",
        num_sequences=num_sequences,
        num_cores=1,
        latency=latency,
        throughput=latency.per(num_sequences, "sequences/s"),
        utilisation={},
        flops=exact(count_flops(captured.graph), "FLOP", "counted over the graph's products"),
        hbm_bytes=None,
        mfu=None,
        energy=None,
        power=None,
    )
