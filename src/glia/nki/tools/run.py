"""`glia nki run`: a kernel's values, and what it takes on the chip."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from glia.core.kernel_records import KernelRun, TensorSummary
from glia.core.progress import Progress
from glia.isa.stream import Stream
from glia.isa.unspecified import told
from glia.nki.arguments import HostArray, is_array, leaves, map_leaves
from glia.nki.simulation import Run
from glia.nki.tools.launch import Launch
from glia.report.files import write_bytes_atomic
from glia.silicon.profile import predicted

_FIRST = 6


def run_kernel(launch: Launch, progress: Progress) -> tuple[KernelRun, dict[str, np.ndarray]]:
    """Execute a kernel on the virtual chip; the outputs by name, and the record.

    Raises:
        KernelError: for whatever the chip refuses, with the kernel's file and line.
    """
    began = time.perf_counter()
    with progress.step("run") as step, told() as met:
        streams, outputs = all_values(launch)
        num = sum(len(stream.instructions) for stream in streams)
        step.note(f"{num:,} instructions")
    with progress.step("time"):
        found = predicted(streams, launch.target.chip)
    record = KernelRun(
        kernel=launch.name,
        file=str(launch.path),
        chip=launch.target.chip,
        num_cores=launch.num_cores,
        arguments=launch.shown(),
        outputs=tuple(summary(name, array) for name, array in outputs.items()),
        num_instructions=num,
        time=found.time,
        energy=found.energy,
        notes=(*found.notes, *met),
        wall_s=time.perf_counter() - began,
    )
    return record, outputs


def all_values(launch: Launch) -> tuple[tuple[Stream, ...], dict[str, np.ndarray]]:
    """The streams and outputs of a launch; of several ranks as `rank0.out0`, ..."""
    if not launch.others:
        run, outputs = launch_values(launch)
        return run.streams, outputs
    arrays = [one.arrays() for one in (launch.arguments, *launch.others)]
    runs = launch.run_ranks(arrays)
    found = {
        f"rank{rank}.{name}": array
        for rank, (given, run) in enumerate(zip(arrays, runs, strict=True))
        for name, array in _outputs(run, given).items()
    }
    return tuple(stream for run in runs for stream in run.streams), found


def launch_values(launch: Launch) -> tuple[Run, dict[str, np.ndarray]]:
    """Run a kernel on one rank; what it returned, then arguments that it wrote."""
    arrays = launch.arguments.arrays()
    run = launch.run(arrays)
    return run, _outputs(run, arrays)


def _outputs(run: Run, arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """What a kernel returned as `out0`, `out1`, ..., then arguments that it wrote."""
    results = [part for part in leaves(run.result) if is_array(part)]
    found = {f"out{i}": to_numpy(array) for i, array in enumerate(results)}
    given: list[tuple[str, Any]] = []

    def note(part: Any, name: str) -> Any:
        if is_array(part):
            given.append((name, part))
        return part

    for name, value in arrays.items():
        map_leaves(value, note, name)
    for number in sorted(_written(run)):
        name, array = given[number]
        if not any(array is result for result in results):
            found[name] = to_numpy(array)
    return found


def _written(run: Run) -> set[int]:
    """Numbers of the tensor arguments that an instruction wrote."""
    found = set()
    for stream in run.streams:
        number = {storage.index: i for i, storage in enumerate(stream.inputs)}
        written = (v.storage.index for one in stream.instructions for v in one.writes)
        found |= {number[index] for index in written if index in number}
    return found


def to_numpy(array: Any) -> np.ndarray:
    """An array of any framework as NumPy's; shares its memory where it can."""
    return HostArray.of(array).view


def summary(name: str, array: np.ndarray) -> TensorSummary:
    """What identifies one output: shape, dtype, a few statistics, a hash of its bytes."""
    numbers = _numbers(array)
    finite = numbers[np.isfinite(numbers)]
    some = finite.size > 0
    return TensorSummary(
        name=name,
        shape=tuple(array.shape),
        dtype=str(array.dtype),
        first=tuple(float(v) for v in numbers.reshape(-1)[:_FIRST]),
        minimum=float(finite.min()) if some else None,
        maximum=float(finite.max()) if some else None,
        mean=float(finite.mean()) if some else None,
        num_not_finite=int(numbers.size - finite.size),
        sha256=hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest(),
    )


def _numbers(array: np.ndarray) -> np.ndarray:
    """The values in float64; the bytes of a packed format."""
    if array.dtype.fields:
        return np.ascontiguousarray(array).view(np.uint8).astype(np.float64)
    return array.astype(np.float64)


def save_outputs(path: Path, outputs: Mapping[str, np.ndarray]) -> Path:
    """Write the outputs to an `.npz` file, whole or not at all; formats NumPy lacks as float32."""
    buffer = io.BytesIO()
    known: dict[str, Any] = {name: _savable(array) for name, array in outputs.items()}
    np.savez(buffer, **known)
    return write_bytes_atomic(path, buffer.getvalue())


def _savable(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind != "V":
        return array
    return array.view(np.uint8) if array.dtype.fields else array.astype(np.float32)
