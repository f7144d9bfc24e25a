"""The jobs behind the command line: port, compile, and run.

Each takes plain arguments, says where it is through `Progress`, and returns records.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from glia import __version__
from glia.compiler.bundle import read_bundle, write_bundle
from glia.core.check_records import CheckReport
from glia.core.errors import FormatError, GliaError
from glia.core.progress import Progress, Step
from glia.core.records import CompileSummary, Finding, PortReport, RunResult, TargetReport
from glia.core.units import format_quantity
from glia.devices import find_device
from glia.devices.execute import Executor
from glia.devices.predict import predict
from glia.devices.virtual import LoadedProgram, VirtualDevice
from glia.frontends.captured import Captured
from glia.frontends.user_code import on_a_cpu, split_spec
from glia.port.check import findings_of
from glia.port.graph_check.job import check_model
from glia.port.graph_check.look import look_once
from glia.port.price import assumptions_of, quote_all
from glia.port.prove import Oracle, prove
from glia.port.summaries import compile_note, compile_summary, prove_note, run_note
from glia.port.targets import target_named


class _Clock:
    """Wall seconds of each step."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.wall_s: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """A step that is timed."""
        start = time.perf_counter()
        with self._progress.step(name) as step:
            yield step
        self.wall_s[name] = time.perf_counter() - start


def port_model(
    model: str,
    targets: list[str],
    against: list[str],
    precision: str,
    progress: Progress,
    command: str,
    on_stop: Callable[[CheckReport], None] = lambda check: None,
) -> PortReport:
    """Check, capture, compile, run, prove and price `model`; see the issue's seven steps.

    `on_stop` is given what the check found of a model that cannot be captured.

    Raises:
        GliaError: from any step; a failed proof is not raised but stands in the report.
    """
    clock = _Clock(progress)
    check = _check(model, targets, clock)
    try:
        captured = _capture(model, clock)
    except GliaError:
        on_stop(check)
        raise
    reports = []
    oracle = Oracle(captured)
    for chip in targets:
        device = VirtualDevice(chip)
        program = _compile(device, captured, precision, clock)
        reports.append(_run_and_prove(program, oracle, clock))
    with clock.step("price") as step:
        quotes, notes = quote_all(captured, reports, against, precision)
        step.note(f"{len(quotes)} quotes" + (f"; {'; '.join(notes)}" if notes else ""))
    return PortReport(
        glia_version=__version__,
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        model=captured.summary,
        findings=(*findings_of(check), *captured.findings),
        targets=tuple(reports),
        quotes=quotes,
        assumptions=assumptions_of([r.compiled.chip for r in reports], against),
        wall_s=clock.wall_s,
    )


def compile_model(
    model: str, chip: str, precision: str, out_dir: Path, progress: Progress
) -> CompileSummary:
    """Compile for one chip and write the bundle, with the example inputs and what they give."""
    clock = _Clock(progress)
    captured = _capture(model, clock)
    program = _compile(VirtualDevice(chip), captured, precision, clock)
    with clock.step(f"run {chip}") as step:
        outputs = program.run(captured.inputs)
        result = program.measured()
        step.note(run_note(result))
    with clock.step("write") as step:
        write_bundle(out_dir, program.compiled.program, captured.inputs, outputs, result.latency)
        step.note(str(out_dir))
    return compile_summary(program.compiled)


def run_bundle(folder: Path, progress: Progress) -> tuple[RunResult, dict[str, Any]]:
    """Run a bundle on its own inputs; its outputs must be those that were saved, bit for bit.

    Raises:
        FormatError: for a damaged, altered or newer bundle, or values that differ.
    """
    clock = _Clock(progress)
    with clock.step("load") as step:
        bundle = read_bundle(folder)
        step.note(f"{bundle.program.name} for {bundle.program.chip}, {bundle.program.precision}")
    with clock.step("run") as step:
        outputs = Executor(bundle.program).run(bundle.inputs)
        result = predict(bundle.program)
        step.note(run_note(result))
    with clock.step("compare") as step:
        different = [n for n, saved in bundle.outputs.items() if not _same(outputs[n], saved)]
        if different:
            raise FormatError(
                f"running {folder}: got other values for {', '.join(different)} than when it was "
                "compiled, expected the same; compile the model again"
            )
        step.note("outputs are bit-identical to those saved")
    same_latency = result.latency.likely == bundle.latency_s
    return result, {"same_values": True, "same_latency": same_latency, **describe(outputs)}


def run_model(
    model: str, device: str, precision: str, progress: Progress
) -> tuple[RunResult, dict[str, Any]]:
    """Run a model once on a device."""
    clock = _Clock(progress)
    captured = _capture(model, clock)
    with clock.step(f"load {device}"):
        loaded = find_device(device).load(captured, precision)
    with clock.step(f"run {device}") as step:
        outputs = loaded.run(captured.inputs)
        result = loaded.measured()
        step.note(run_note(result))
    return result, describe(outputs)


def describe(outputs: dict[str, np.ndarray]) -> dict[str, Any]:
    """Each output in a few numbers."""
    return {
        name: {
            "shape": list(array.shape),
            "mean": float(np.mean(array)) if array.size else 0.0,
            "first": [float(x) for x in array.reshape(-1)[:4]],
        }
        for name, array in outputs.items()
    }


# -- steps ---------------------------------------------------------------------------------------


def _check(model: str, targets: list[str], clock: _Clock) -> CheckReport:
    """The check of `glia check`, in this process: the steps that follow run the model here too."""
    with clock.step("check") as step:
        if not Path(model).is_dir():
            split_spec(model)
        report = check_model(model, [target_named(name) for name in targets], once=look_once)
        step.note("; ".join(f"{t.target} {t.verdict}" for t in report.targets))
    return report


def _capture(model: str, clock: _Clock) -> Captured:
    """The graph; where the model asks for CUDA, the CPU stands in for it."""
    with clock.step("capture") as step:
        captured, stood_in = on_a_cpu(lambda: _captured(model))
        size = format_quantity(captured.summary.parameter_bytes, "B")
        step.note(
            f"{captured.summary.num_nodes} operations, {captured.summary.num_parameters:,} "
            f"parameters ({size}), {_findings_text(captured.findings)}"
            + ("; the CPU stood in for CUDA, `glia fix` rewrites what asks for it" * stood_in)
        )
    return captured


def _captured(model: str) -> Captured:
    from glia.frontends.load import load_model

    found = load_model(model)
    from glia.frontends.torch.capture import capture  # after load_model asked for PyTorch

    captured = capture(found.module, found.args, found.kwargs, found.name)
    return replace(captured, findings=(*found.findings, *captured.findings))


def _findings_text(findings: tuple[Finding, ...]) -> str:
    if not findings:
        return "nothing stands in the way"
    return f"{len(findings)} finding" + ("s" if len(findings) > 1 else "")


def _compile(
    device: VirtualDevice, captured: Captured, precision: str, clock: _Clock
) -> LoadedProgram:
    with clock.step(f"compile {device.chip}") as step:
        loaded = device.load(captured, precision)
        step.note(compile_note(compile_summary(loaded.compiled)))
    return loaded


def _run_and_prove(loaded: LoadedProgram, oracle: Oracle, clock: _Clock) -> TargetReport:
    chip = loaded.compiled.program.chip
    with clock.step(f"run {chip}") as step:
        loaded.run(oracle.captured.inputs)
        result = loaded.measured()
        step.note(run_note(result))
    with clock.step(f"prove {chip}") as step:
        parity, _ = prove(loaded, oracle)
        step.note(prove_note(parity))
    return TargetReport(compile_summary(loaded.compiled), result, parity)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    return one.shape == other.shape and one.tobytes() == other.astype(one.dtype).tobytes()
