"""Records about one kernel: its run, its profile, a comparison, the findings of a check.

Plain and frozen, as all records; `to_json` writes them. Seconds, bytes and joules unless the name
says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from glia.core.figures import Estimate

PROFILE_FORMAT = 2


@dataclass(frozen=True, slots=True)
class TensorSummary:
    """One result: what it is, and enough of its values to recognise it.

    Statistics are over the finite values, None when there are none; `first` are the first values.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    first: tuple[float, ...]
    minimum: float | None
    maximum: float | None
    mean: float | None
    num_not_finite: int
    sha256: str


@dataclass(frozen=True, slots=True)
class KernelRun:
    """One execution of a kernel on the virtual chip: values computed, time and energy predicted."""

    kernel: str
    file: str
    chip: str
    num_cores: int
    arguments: tuple[str, ...]
    outputs: tuple[TensorSummary, ...]
    num_instructions: int
    time: Estimate
    energy: Estimate
    notes: tuple[str, ...] = ()
    wall_s: float = 0.0


@dataclass(frozen=True, slots=True)
class EngineUse:
    """One engine, or the DMA engines together: active seconds and their share of the time."""

    name: str
    num_instructions: int
    busy_s: float
    activity: Estimate


@dataclass(frozen=True, slots=True)
class DmaUse:
    """What the DMA engines moved.

    `efficiency` is bytes over (active time x theoretical bandwidth). `small_bytes` of the bytes
    moved in contiguous pieces below 512 bytes.
    """

    num_transfers: int
    num_bytes: int
    num_pieces: int
    mean_piece_bytes: float
    small_bytes: int
    efficiency: Estimate
    hbm_read_bytes: int
    hbm_write_bytes: int


@dataclass(frozen=True, slots=True)
class Reload:
    """A tensor of HBM of which bytes were loaded more than once; `lines` are where."""

    tensor: str
    loaded_bytes: int
    distinct_bytes: int
    lines: tuple[str, ...]

    @property
    def again_bytes(self) -> int:
        """Bytes that were loaded although they had been loaded before."""
        return self.loaded_bytes - self.distinct_bytes


@dataclass(frozen=True, slots=True)
class Spill:
    """A tensor that went from SBUF to HBM and came back to SBUF in the same kernel."""

    tensor: str
    out_bytes: int
    back_bytes: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Peak use of the on-chip memories, of what the compiler hands out per partition."""

    sbuf_peak_bytes: int
    sbuf_bytes: int
    psum_peak_banks: int
    psum_banks: int


@dataclass(frozen=True, slots=True)
class LineUse:
    """One line of the kernel's source.

    `critical_s` is its part of the likely time, to which all lines sum: the lines of the engine
    that works most have the time while it works, and what it waits for has the rest. `busy_s` is
    the active time by engine; that of `dma` is the time in which all DMA engines would move the
    line's bytes, so that lines add up to the engine's own.
    """

    file: str
    line: int
    code: str
    num_instructions: int
    critical_s: float
    busy_s: Mapping[str, float]
    num_bytes: int
    flops: float


@dataclass(frozen=True, slots=True)
class Advice:
    """Something to try. `gain_s` is the time as written minus that of the re-timed change.

    `basis` says what was re-timed; it is a bound when the change cannot be made in full.
    """

    title: str
    detail: str
    gain_s: float
    fraction: float
    basis: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KernelProfile:
    """What a kernel does with the chip. Times of the likely constants are plain floats.

    `time` runs from the dataflow bound with fast constants to the program as written with slow
    ones; likely is the program without what its compiler moves in front of a loop, and `engines`,
    `lines` and `advice` are of that program. `num_instructions` is as written. `bounds_s` names
    lower limits: what one resource alone would take. MFU and HFU are as the public profiler prints
    them, over the bf16 peak whatever the format: full use of fp32 is 0.25, of fp8 double rows 2.
    `adjusted_mfu` weighs each FLOP by its format, so that full use is 1 in all of them. MBU is over
    the bandwidth of the HBM stacks. `untried` says why no advice was looked for; empty when it was.
    """

    kernel: str
    file: str
    chip: str
    generation: str
    num_cores: int
    arguments: tuple[str, ...]
    num_instructions: int
    time: Estimate
    as_written: Estimate
    dataflow: Estimate
    bounds_s: Mapping[str, float]
    flops: float
    mfu: Estimate
    hfu: Estimate
    adjusted_mfu: Estimate
    mbu: Estimate
    engines: tuple[EngineUse, ...]
    dma: DmaUse
    reloads: tuple[Reload, ...]
    spills: tuple[Spill, ...]
    memory: MemoryUse
    energy: Estimate
    energy_by_cause: Mapping[str, Estimate]
    power: Estimate
    lines: tuple[LineUse, ...]
    advice: tuple[Advice, ...]
    notes: tuple[str, ...] = ()
    outputs: tuple[TensorSummary, ...] = ()
    untried: str = ""
    format: int = PROFILE_FORMAT


@dataclass(frozen=True, slots=True)
class ScriptLaunch:
    """Launches of a script that are the same kernel with the same arguments' shapes and values."""

    count: int
    profile: KernelProfile

    @property
    def total_s(self) -> float:
        """Likely time of all of them, one after the other."""
        return self.count * self.profile.time.likely


@dataclass(frozen=True, slots=True)
class ScriptProfile:
    """Every kernel that a script launched, the longest together first."""

    script: str
    exit_code: int
    launches: tuple[ScriptLaunch, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """One quantity of two kernels; `ratio` is second over first, None where that says nothing."""

    name: str
    unit: str
    first: float
    second: float
    ratio: float | None
    better: Literal["lower", "higher", ""] = "lower"


@dataclass(frozen=True, slots=True)
class Agreement:
    """One output of two kernels on the same arguments.

    `relative` is the root-mean-square difference over the root mean square of the first; `within`
    says whether that, and the worst element, is no more than rounding explains (`limit`).
    """

    name: str
    same_shape: bool
    identical: bool
    worst_absolute: float
    relative: float
    limit: float = 0.0
    within: bool = True


@dataclass(frozen=True, slots=True)
class KernelComparison:
    """Two kernels side by side; `agreement` is empty when values could not be compared.

    `verdict` says whether the time intervals tell the two apart. `differences` are what the two
    launches do not have in common (arguments, cores, chip); `same_work` is False when they make the
    times those of different problems, and then the verdict says so unless it was asked for.
    """

    first: str
    second: str
    same_arguments: bool
    deltas: tuple[Delta, ...]
    verdict: str
    agreement: tuple[Agreement, ...] = ()
    notes: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    same_work: bool = True
    is_judged: bool = True

    @property
    def apart(self) -> tuple[str, ...]:
        """The outputs that differ by more than rounding explains."""
        return tuple(one.name for one in self.agreement if not one.within)


@dataclass(frozen=True, slots=True)
class SubsetFinding:
    """Something that the real compiler refuses (or, a warning, is about to), at its place."""

    rule: str
    severity: Literal["error", "warning"]
    file: str
    line: int
    column: int
    kernel: str
    what: str
    do: str
    code: str = ""

    @property
    def place(self) -> str:
        """`file:line:column`."""
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class GenerationResult:
    """Whether a kernel is legal on one generation; `problem` is the first error, empty if none."""

    generation: str
    chip: str
    problem: str
    num_instructions: int = 0

    @property
    def ok(self) -> bool:
        """True when the kernel traced without an error."""
        return not self.problem


@dataclass(frozen=True, slots=True)
class KernelCheck:
    """One kernel: findings in its source, and legality per generation (empty: not checked).

    `problem` says why the kernel could not be tried at all, which is an error.
    """

    kernel: str
    signature: str
    findings: tuple[SubsetFinding, ...]
    generations: tuple[GenerationResult, ...] = ()
    note: str = ""
    problem: str = ""

    @property
    def ok(self) -> bool:
        """True without errors in the source and on every generation that was tried."""
        clean = all(f.severity != "error" for f in self.findings)
        return clean and not self.problem and all(g.ok for g in self.generations)

    @property
    def is_checked(self) -> bool:
        """True when legality was tried for: arguments were known, and the kernel ended."""
        return bool(self.generations) and not self.problem


@dataclass(frozen=True, slots=True)
class FileCheck:
    """The result of `glia nki check`; `source_only` when legality was not asked for."""

    file: str
    kernels: tuple[KernelCheck, ...] = field(default=())
    source_only: bool = False

    @property
    def ok(self) -> bool:
        """True when every kernel is, and all that was asked for was tried."""
        return all(k.ok for k in self.kernels) and (self.source_only or not self.num_unchecked)

    @property
    def num_unchecked(self) -> int:
        """Kernels whose legality nobody tried."""
        return sum(not k.is_checked for k in self.kernels)

    @property
    def num_findings(self) -> int:
        """Errors and warnings in the source of all kernels."""
        return sum(len(k.findings) for k in self.kernels)
