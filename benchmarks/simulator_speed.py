"""Speed of the virtual chip: tracing, values and timing of square bf16 products.

Run: OMP_NUM_THREADS=1 python benchmarks/simulator_speed.py [SIZE ...]
Values are compared with NumPy's own fp32 product of that size; the ratio is what counts.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from glia.chips import load_chip
from glia.core.dtypes import dtype
from glia.isa.target import target_of
from glia.kernels.matmul import linear
from glia.nki.kernel import TensorSpec, execute
from glia.silicon import Core, Timing, schedule

TARGET, BF16 = target_of("trn2"), dtype("bfloat16")


def seconds(action: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = action()
    return time.perf_counter() - start, result


def measure(size: int) -> str:
    spec = TensorSpec((size, size), BF16)
    trace_s, stream = seconds(lambda: linear.trace(spec, spec, target=TARGET))
    data = np.random.default_rng(0).standard_normal((size, size)).astype(BF16.numpy)
    core, wide = Core(TARGET), data.astype(np.float32)
    first_s, _ = seconds(lambda: execute(stream, [data, data], core))
    values_s, _ = seconds(lambda: execute(stream, [data, data], core))
    numpy_s = min(seconds(lambda: wide @ wide)[0] for _ in range(2))
    schedule_s, _ = seconds(lambda: schedule(stream, Timing.of(load_chip("trn2").silicon)))
    count = len(stream.instructions)
    return (
        f"{size:6d} {count:8d} {trace_s / count * 1e6:10.1f} {schedule_s / count * 1e6:10.1f} "
        f"{trace_s + first_s + schedule_s:8.2f} {values_s:8.2f} {values_s / numpy_s:8.2f}"
    )


def main() -> None:
    print("  size   instr.  trace us   time us   all s  values s  x NumPy")
    for size in map(int, sys.argv[1:] or ("512", "1024", "2048", "4096")):
        print(measure(size))


if __name__ == "__main__":
    main()
