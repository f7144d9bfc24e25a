"""How fast the simulator is, as ratios: python benchmarks/port_speed.py

MiniLM, batch 8, sequence 128. The value run against PyTorch eager on the same machine (limit 5),
`glia port` to two chips (limit 60 s on 2 cores), and its peak memory (limit 2 GiB).
"""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from glia.core.progress import NullProgress
from glia.devices.execute import Executor
from glia.devices.virtual import VirtualDevice
from glia.frontends.load import load_model
from glia.frontends.torch.capture import capture
from glia.port.job import port_model

MODEL = f"{Path(__file__).parents[1] / 'examples' / 'minilm.py'}:encoder"
TARGETS, AGAINST = ["inf2", "trn2"], ["h100", "l4"]
LIMIT_RATIO, LIMIT_S, LIMIT_BYTES = 5.0, 60.0, 2 * 2**30


def port_once() -> tuple[float, dict[str, float], int]:
    """Seconds of a whole port, of its steps, and the process's peak bytes so far."""
    start = time.perf_counter()
    report = port_model(MODEL, TARGETS, AGAINST, "bf16", NullProgress(), "benchmark")
    seconds = time.perf_counter() - start
    assert report.ok, "the proof failed"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return seconds, dict(report.wall_s), peak * (1 if sys.platform == "darwin" else 1024)


def run_ratio(chip: str, precision: str) -> tuple[float, float]:
    """Seconds of one value run and of PyTorch eager, medians taken in turns."""
    import torch

    found = load_model(MODEL)
    captured = capture(found.module, found.args, found.kwargs, found.name)
    loaded = VirtualDevice(chip).load(captured, precision)
    executor = Executor(loaded.compiled.program)

    def eager() -> None:
        with torch.no_grad():
            found.module(*found.args, **found.kwargs)

    ours, theirs = timed_in_turns(lambda: executor.run(captured.inputs), eager)
    return ours, theirs


def timed_in_turns(*runs: Callable[[], Any], repeats: int = 7) -> tuple[float, ...]:
    """Median seconds of each; every round runs all of them, so that load hits all alike."""
    seconds: list[list[float]] = [[] for _ in runs]
    for round_number in range(repeats + 1):
        for run, found in zip(runs, seconds, strict=True):
            start = time.perf_counter()
            run()
            if round_number:  # the first warms up
                found.append(time.perf_counter() - start)
    return tuple(map(statistics.median, seconds))


def main() -> None:
    total, steps, peak = port_once()
    print(
        f"glia port to {' and '.join(TARGETS)}: {total:.1f} s, {total / LIMIT_S:.2f} of the limit"
    )
    for name, seconds in steps.items():
        print(f"  {name:14} {seconds:6.2f} s")
    print(f"peak memory: {peak / 2**20:.0f} MiB, {peak / LIMIT_BYTES:.2f} of the limit")
    for chip in TARGETS:
        for precision in ("bf16", "fp32"):
            ours, theirs = run_ratio(chip, precision)
            ratio = ours / theirs
            print(
                f"value run on virtual {chip} {precision}: {ours:.3f} s, PyTorch eager fp32 "
                f"{theirs:.3f} s, ratio {ratio:.1f}, {ratio / LIMIT_RATIO:.2f} of the limit"
            )


if __name__ == "__main__":
    main()
