"""The job of `glia fit`: count the model, judge the degrees, search machines per chip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from glia.chips import Chip, load_chip
from glia.core.fit_records import (
    GOOD,
    DegreeRow,
    FitReport,
    MachineRow,
    MemoryLine,
    Plan,
    TargetFit,
)
from glia.core.progress import Progress
from glia.cost.memory.architecture import Architecture
from glia.cost.memory.ledger import Workload, model_lines, sum_of
from glia.cost.memory.lora import num_trained
from glia.cost.memory.sharding import allowed_degrees, judge_degree
from glia.port.fit.model import CountedModel, count_model
from glia.port.fit.request import FitRequest, alternatives, check_degrees, workload_of
from glia.port.fit.search import Machine, Search, machines_of

_SHOWN_DEGREES = (1, 2, 4, 8, 16, 32, 64)


def fit(spec: str, chips: Sequence[str], request: FitRequest, progress: Progress) -> FitReport:
    """Count a model and find the smallest machine per chip.

    Raises:
        UsageError: for options that make no sense, alone or with the model.
        ModelError: for a model that cannot be read.
    """
    with progress.step("count the model") as step:
        counted = count_model(spec, request)
        step.note(f"{counted.record.num_parameters:,} parameters, {counted.record.basis}")
    model = counted.architecture
    work = workload_of(request, model)
    check_degrees(request, model)
    targets = []
    for name in chips:
        with progress.step(f"search {name}") as step:
            target = _target(load_chip(name), counted, work, request)
            smallest = target.smallest
            step.note("nothing that works" if smallest is None else smallest.title)
        targets.append(target)
    return FitReport(
        model=counted.record,
        job=work.job,
        settings=_settings(request, work, model),
        whole=model_lines(model, work, Plan(), counted.quantised),
        degrees=_degrees(counted, work, request),
        targets=tuple(targets),
        notes=counted.notes,
    )


def _settings(request: FitRequest, work: Workload, model: Architecture) -> dict[str, str]:
    found = {"batch": str(work.num_sequences), "seq": f"{work.seq}", "dtype": work.dtype}
    if model.traced is not None and model.traced.has_own_inputs:
        found = {"inputs": "the function's own", "dtype": work.dtype}
    if work.job == "train":
        found |= {
            "optimizer": work.optimizer,
            "gradient dtype": work.gradient_dtype,
            "checkpoint": work.checkpointing,
            "zero": str(work.zero),
        }
        if request.lora is not None:
            count = num_trained(model)
            part = 100 * count / model.num_parameters
            found |= {"lora": request.lora, "trained parameters": f"{count:,} ({part:.2g} %)"}
    elif any(layer.is_decoder for layer in model.layers):
        found |= {"kv dtype": work.kv_dtype}
    for name in ("tp", "pp", "dp"):
        if (value := getattr(request, name)) is not None:
            found[name] = str(value)
    return found


def _degrees(counted: CountedModel, work: Workload, request: FitRequest) -> tuple[DegreeRow, ...]:
    """The degrees that are powers of two, and all that the model allows."""
    model = counted.architecture
    heads = math.lcm(*(a.num_heads for a in model.attentions)) if model.attentions else 1
    allowed = allowed_degrees(model, 64)
    shown = sorted({*_SHOWN_DEGREES, *allowed, *([request.tp] if request.tp else [])})
    rows = []
    for degree in shown:
        verdict = judge_degree(model, degree)
        if degree > max(8, heads) and not verdict.is_allowed:
            continue
        lines: tuple[MemoryLine, ...] = ()
        if verdict.is_allowed:
            lines = model_lines(model, work, Plan(tp=degree), counted.quantised)
        known = [line.num_bytes for line in lines if line.num_bytes is not None]
        total = sum_of(known) if known else None
        rows.append(
            DegreeRow(degree, verdict.is_allowed, verdict.problems, verdict.remarks, lines, total)
        )
    return tuple(rows)


def _target(chip: Chip, counted: CountedModel, work: Workload, request: FitRequest) -> TargetFit:
    search = Search(
        counted.architecture, work, chip, counted.quantised, request.tp, request.pp, request.dp
    )
    machines = machines_of(chip)
    rows: list[MachineRow] = []
    for machine in machines:
        row = search.row(machine)
        if row is not None:
            rows.append(row)
        if row is not None and row.verdict in GOOD and machine.num_chips == _largest(machines):
            break
    smallest = next((row for row in rows if row.verdict in GOOD), None)
    if not rows:
        rows = [_no_plan(search, machines[-1])]
    open_row = next((row for row in rows if row.verdict == "unknown"), None)
    shown = smallest or open_row or rows[-1]
    return TargetFit(
        chip=chip.name,
        title=chip.title,
        rank=search.rank.title,
        ranks_per_chip=search.rank.per_chip,
        capacity_bytes=shown.capacity_bytes,
        machines=tuple(rows),
        smallest=smallest,
        ledger=search.ledger(shown.plan),
        shown=shown,
        would_fit=_would_fit(search, machines, rows, smallest, request),
        notes=_notes(chip),
    )


def _largest(machines: Sequence[Machine]) -> int:
    return max(machine.num_chips for machine in machines)


def _no_plan(search: Search, machine: Machine) -> MachineRow:
    """The row when the degrees asked for need more ranks than any machine tried has."""
    plan = Plan(search.tp or 1, search.pp or 1, search.dp or 1)
    ranks = machine.num_chips * machine.count * search.rank.per_chip
    ledger = search.ledger(plan)
    row = search._row(machine, search.rank.capacity_bytes, plan, ledger, "does not fit")
    why = f"{plan} needs {plan.num_ranks} ranks, {machine.count} x {machine.name} has {ranks}"
    return replace(row, why=why)


def _would_fit(
    search: Search,
    machines: Sequence[Machine],
    rows: Sequence[MachineRow],
    smallest: MachineRow | None,
    request: FitRequest,
) -> tuple[str, ...]:
    """Single changes with which the next smaller machine, or else the largest one, works."""
    failing = [
        row
        for row in rows
        if row.verdict not in GOOD
        and row.num_machines == 1
        and (smallest is None or row.num_chips <= smallest.num_chips)
    ]
    if not failing or search.model.traced is not None:
        return ()
    target = failing[-1]
    machine = next(m for m in machines if m.name == target.name and m.count == 1)
    found: dict[str, str] = {}
    for option, work in alternatives(request, search.work):
        kind = option.split()[0]
        if kind in found:
            continue
        row = replace(search, work=work, _lines={}).row(machine)
        if row is not None and row.verdict in GOOD:
            found[kind] = f"{target.title} works with {option} ({row.plan})"
    return tuple(found.values())


def _notes(chip: Chip) -> tuple[str, ...]:
    if chip.kind != "neuron":
        return ()
    return (
        "the compiler's own host memory is unknown: Neuron publishes none, and a Llama of 8B "
        "parameters was killed on a host of 32 GiB (aws-neuron-sdk issue 1222)",
    )
