"""Speed of the virtual chip, against what it must hold: OMP_NUM_THREADS=1 python FILE

Kernels as an outsider would write them, in the public language; ratios where a peer runs here.
Figures are for an idle machine of 2 cores. Exit code 1 when a limit is exceeded.
"""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.chips import load_chip
from glia.core.dtypes import dtype
from glia.isa.target import target_of
from glia.nki.kernel import TensorSpec
from glia.nki.simulation import execute
from glia.silicon import Core, Timing, schedule
from glia.silicon.profile import predicted

TARGET, BF16 = target_of("trn2"), dtype("bfloat16")
TIMING = Timing.of(load_chip("trn2").silicon)


@nki.jit
def square(lhs_t, rhs):
    """lhs_t[K, M]^T @ rhs[K, N]: strips of both stay in SBUF, a row of results at a time."""
    (k, m), n = lhs_t.shape, rhs.shape[1]
    p, width = nl.tile_size.pmax, nl.tile_size.gemm_moving_fmax
    out = nl.ndarray((m, n), dtype=lhs_t.dtype, buffer=nl.shared_hbm)
    for column in range(0, n, width):
        rights = []
        for term in range(0, k, p):
            right = nl.ndarray((p, width), dtype=rhs.dtype, buffer=nl.sbuf)
            nisa.dma_copy(dst=right, src=rhs[term : term + p, column : column + width])
            rights.append(right)
        for row in range(0, m, p):
            total = nl.ndarray((p, width), dtype=nl.float32, buffer=nl.psum)
            for i, right in enumerate(rights):
                left = nl.ndarray((p, p), dtype=lhs_t.dtype, buffer=nl.sbuf)
                nisa.dma_copy(dst=left, src=lhs_t[i * p : (i + 1) * p, row : row + p])
                nisa.nc_matmul(dst=total, stationary=left, moving=right)
            result = nl.ndarray((p, width), dtype=lhs_t.dtype, buffer=nl.sbuf)
            nisa.tensor_copy(dst=result, src=total)
            nisa.dma_copy(dst=out[row : row + p, column : column + width], src=result)
    return out


@dataclass(frozen=True)
class Result:
    """One line: what was measured, and its limit in the same unit."""

    what: str
    value: float
    limit: float
    unit: str
    detail: str = ""

    @property
    def ok(self) -> bool:
        return self.value <= self.limit

    def __str__(self) -> str:
        mark = "pass" if self.ok else "FAIL"
        tail = f"  ({self.detail})" if self.detail else ""
        return f"{mark}  {self.what}: {self.value:.3g} {self.unit}, limit {self.limit:g}{tail}"


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    made = action()
    return time.perf_counter() - start, made


def best(action: Callable[[], Any], repeats: int = 3) -> float:
    return min(timed(action)[0] for _ in range(repeats))


def operands(size: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.standard_normal((size, size)).astype(BF16.numpy) for _ in range(2)]


def trace(size: int) -> Any:
    spec = TensorSpec((size, size), BF16)
    return square.trace(spec, spec, target=TARGET)


def small_kernel() -> Result:
    """Trace, values and time of 512^3, all of it each time."""
    data = operands(512)

    def everything() -> None:
        stream = trace(512)
        execute(stream, data, Core(TARGET))
        schedule(stream, TIMING)

    return Result("512^3 bf16 traced, executed and timed", best(everything, 5), 0.2, "s")


def values_of_a_large_product() -> Result:
    """Values of 4096^3 against NumPy's own float32 product of that size."""
    data, stream, core = operands(4096), trace(4096), Core(TARGET)
    wide = [array.astype(np.float32) for array in data]
    execute(stream, data, core)
    ours = best(lambda: execute(stream, data, core), 2)
    theirs = best(lambda: wide[0].T @ wide[1], 2)
    detail = f"{ours:.2f} s against {theirs:.2f} s"
    return Result("4096^3 bf16 values, of NumPy's fp32 product", ours / theirs, 3, "x", detail)


def timing_of_many_matmuls() -> Result:
    """65,536 matmuls (8192^3), traced and timed; no values."""
    trace_s, stream = timed(lambda: trace(8192))
    schedule_s, _ = timed(lambda: schedule(stream, TIMING))
    matmuls = sum(made.op == "nc_matmul" for made in stream.instructions)
    detail = f"{matmuls} matmuls, {len(stream.instructions)} instructions; "
    detail += f"trace {trace_s:.1f} s, schedule {schedule_s:.1f} s"
    return Result("timing alone of 8192^3", trace_s + schedule_s, 10, "s", detail)


def interval_of_many_matmuls() -> Result:
    """Time at three ends of the constants, energy and what is computed again; of one schedule."""
    alone, whole = trace(4096), (trace(4096),)
    schedule_s, _ = timed(lambda: schedule(alone, TIMING))
    all_s, _ = timed(lambda: predicted(whole, "trn2"))
    detail = f"{all_s:.2f} s against {schedule_s:.2f} s; three of it are schedules"
    return Result("interval of 4096^3, of one schedule", all_s / schedule_s, 5, "x", detail)


def model_forward() -> Result:
    """Values of a 10-million-parameter encoder, batch 4, 128 tokens, compiled for trn2."""
    import torch

    from glia.devices.execute import Executor
    from glia.devices.virtual import VirtualDevice
    from glia.frontends.torch.capture import capture

    torch.backends.mha.set_fastpath_enabled(False)
    layers = [
        torch.nn.TransformerEncoderLayer(512, 8, 2048, dropout=0.0, batch_first=True)
        for _ in range(3)
    ]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(512, 1024)).eval()
    count = sum(p.numel() for p in model.parameters())
    inputs = (torch.randn(4, 128, 512),)
    captured = capture(model, inputs, {}, "encoder")
    loaded = VirtualDevice("trn2").load(captured, "bf16")
    executor = Executor(loaded.compiled.program)
    seconds = best(lambda: executor.run(captured.inputs), 3)
    return Result("forward of an encoder", seconds, 5, "s", f"{count / 1e6:.1f} M parameters")


def memory_of_replays() -> Result:
    """Growth of live objects and of the process over 200 replays of one stream."""
    data, stream, core = operands(512), trace(512), Core(TARGET)
    for _ in range(5):
        execute(stream, data, core)
    gc.collect()
    blocks, peak = sys.getallocatedblocks(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(200):
        execute(stream, data, core)
    gc.collect()
    grown = sys.getallocatedblocks() - blocks
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
    return Result("objects kept per replay", grown / 200, 0.5, "", f"peak memory +{more} KiB")


def main() -> int:
    ok = True
    for measure in (
        small_kernel,
        values_of_a_large_product,
        timing_of_many_matmuls,
        interval_of_many_matmuls,
        model_forward,
        memory_of_replays,
    ):
        result = measure()
        ok = ok and result.ok
        print(result, flush=True)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
