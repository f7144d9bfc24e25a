"""The plain frozen records that the rooms exchange; `report` and `cli` read nothing else.

Each is serialisable with `to_json`. Every predicted number in them is an Estimate.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from glia.core.figures import Estimate

Severity = Literal["blocks", "warns", "note"]


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A place in the user's code."""

    file: str
    line: int
    code: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing in a model that would not move as it is, and what to do about it."""

    rule: str
    severity: Severity
    what: str
    do: str
    source: SourceLine | None = None
    node: str = ""


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """What was captured: the graph in figures; `inputs` are texts, as `input_ids: int64[8,128]`."""

    name: str
    num_parameters: int
    parameter_bytes: int
    num_nodes: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    op_counts: Mapping[str, int]
    num_sequences: int
    input_hash: str = ""


@dataclass(frozen=True, slots=True)
class CompileSummary:
    """What the compiler made of the graph for one chip."""

    chip: str
    precision: str
    num_launches: int
    num_streams: int
    num_instructions: int
    weight_bytes: int
    activation_bytes: int
    kernels: Mapping[str, int]
    fusions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """One instruction on one engine or DMA queue: start and end in seconds from the launch."""

    track: str
    name: str
    start_s: float
    end_s: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RunResult:
    """One execution on one device.

    `latency` is for the whole batch of `num_sequences` on `num_cores` cores; `throughput` is for a
    whole chip. `utilisation` maps engine name to the fraction of the run it was active. None means
    unknown: what a device does not measure is not guessed.
    """

    device: str
    chip: str
    precision: str
    basis: Literal["virtual", "roofline", "measured"]
    num_sequences: int
    num_cores: int
    latency: Estimate
    throughput: Estimate
    utilisation: Mapping[str, Estimate]
    flops: Estimate
    hbm_bytes: Estimate | None
    mfu: Estimate | None
    energy: Estimate | None
    power: Estimate | None
    assumptions: tuple[str, ...] = ()
    launches: tuple[LaunchRecord, ...] = ()
    timeline: tuple[Span, ...] = ()
    timeline_title: str = ""


@dataclass(frozen=True, slots=True)
class LaunchRecord:
    """One kernel launch in a program: what it computed, of which layer, for how long."""

    name: str
    kernel: str
    layer: str
    num_instructions: int
    duration: Estimate


@dataclass(frozen=True, slots=True)
class LayerError:
    """Device against reference at one value of the graph.

    `relative` is the root-mean-square error over the root-mean-square of the reference and
    `budget` its limit; `local` compares the launch alone, fed with the device's own inputs, with a
    float64 evaluation, and `local_budget` is its limit.
    """

    name: str
    layer: str
    op: str
    depth: int
    worst_absolute: float
    relative: float
    cosine: float
    budget: float
    local: float | None = None
    local_budget: float | None = None
    source: SourceLine | None = None

    @property
    def ok(self) -> bool:
        """True when both errors are inside their budgets (NaN is outside)."""
        whole = self.relative <= self.budget
        return whole and (self.local is None or self.local <= (self.local_budget or 0.0))


@dataclass(frozen=True, slots=True)
class OutputCheck:
    """End-to-end agreement of one model output: cosine per sequence and similarity ranking."""

    name: str
    cosines: tuple[float, ...]
    min_cosine: float
    min_cosine_allowed: float
    same_ranking: bool | None
    ranking_note: str = ""

    @property
    def ok(self) -> bool:
        """True when every sequence agrees and the ranking, where there is one, is the same."""
        return self.min_cosine >= self.min_cosine_allowed and self.same_ranking is not False


@dataclass(frozen=True, slots=True)
class Parity:
    """The proof for one device: every compared value, in program order, then the outputs."""

    device: str
    oracle: str
    budget_rule: str
    layers: tuple[LayerError, ...]
    outputs: tuple[OutputCheck, ...]

    @property
    def first_failure(self) -> LayerError | None:
        """The first value over its budget, in program order."""
        return next((layer for layer in self.layers if not layer.ok), None)

    @property
    def ok(self) -> bool:
        """True when something was compared and all of it is inside its budget."""
        compared = bool(self.layers) and bool(self.outputs)
        return compared and self.first_failure is None and all(o.ok for o in self.outputs)


@dataclass(frozen=True, slots=True)
class Quote:
    """What the workload costs on one chip. `basis` says how the time was obtained.

    `usd_per_million` and `rental` are None when no public price is known; then say "unknown".
    """

    chip: str
    title: str
    basis: Literal["virtual", "roofline", "measured"]
    precision: str
    throughput: Estimate
    latency: Estimate
    power: Estimate | None
    energy_per_thousand: Estimate | None
    rental: Estimate | None
    usd_per_million: Estimate | None
    price_source: str = ""
    price_date: str = ""
    price_instance: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Assumption:
    """One figure or modelling choice that the result rests on."""

    subject: str
    name: str
    value: str
    mark: str
    source: str


@dataclass(frozen=True, slots=True)
class TargetReport:
    """Everything about one target chip."""

    compiled: CompileSummary
    run: RunResult
    parity: Parity


@dataclass(frozen=True, slots=True)
class PortReport:
    """The result of `glia port`: what `report.html`, the table and `--json` are made of."""

    glia_version: str
    command: str
    created: str
    model: ModelSummary
    findings: tuple[Finding, ...]
    targets: tuple[TargetReport, ...]
    quotes: tuple[Quote, ...]
    assumptions: tuple[Assumption, ...]
    wall_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """True when every target is proved."""
        return bool(self.targets) and all(t.parity.ok for t in self.targets)


def to_json(record: Any) -> Any:
    """Turn a record into JSON-ready dicts, lists, numbers and strings; derived `ok` is included.

    Numbers that JSON lacks (NaN, infinity) become their names as strings.
    """
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        out = {f.name: to_json(getattr(record, f.name)) for f in dataclasses.fields(record)}
        if isinstance(getattr(type(record), "ok", None), property):
            out["ok"] = bool(record.ok)  # type: ignore[attr-defined]
        return out
    if isinstance(record, Mapping):
        return {str(k): to_json(v) for k, v in record.items()}
    if isinstance(record, (list, tuple)):
        return [to_json(v) for v in record]
    if isinstance(record, float) and not math.isfinite(record):
        return str(record)
    return record
