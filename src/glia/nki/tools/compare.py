"""`glia nki compare`: two kernels side by side, and whether they compute the same.

Each side is `FILE.py:KERNEL` or a `profile.json` that `glia nki profile --out` wrote. Beside a
saved profile a kernel is launched as that one was: its arguments, chip, cores and ranks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from glia.core.errors import UsageError
from glia.core.kernel_records import Agreement, Delta, KernelComparison, KernelProfile
from glia.core.progress import NullProgress, Progress
from glia.core.units import format_quantity
from glia.nki.arguments import TensorSpec, leaves
from glia.nki.tools.agreement import agree
from glia.nki.tools.deadline import DEFAULT_S
from glia.nki.tools.launch import Launch, prepare
from glia.nki.tools.profile import profile_kernel
from glia.nki.tools.run import launch_values
from glia.nki.tools.saved import Asked, asked, ranks_of, read_profile, tensors
from glia.report.wording import count_text

_APART = (
    "both kernels get the same --arg; where their parameters differ, save a profile of each with "
    "glia nki profile FILE.py:KERNEL --out DIR, and compare the two profile.json"
)
NO_VERDICT = (
    "no verdict on speed: the two do different work ({}); give both the same --arg, or --different "
    "to compare them all the same"
)


@dataclass(frozen=True, slots=True)
class How:
    """How a kernel is launched; None: as the saved profile beside it was, else the default."""

    words: tuple[str, ...] = ()
    chip: str = ""
    num_cores: int | None = None
    num_ranks: int | None = None
    seed: int = 0
    time_limit_s: float = DEFAULT_S
    instance: str = ""
    tolerance: float | None = None


@dataclass(frozen=True, slots=True)
class _Side:
    label: str
    profile: KernelProfile
    launch: Launch | None


def compare(
    first: str, second: str, how: How, progress: Progress, different: bool = False
) -> KernelComparison:
    """Profile both sides (or read them) and compare; run both when their arguments are equal.

    `different` asks for a verdict on speed even if the two do not do the same work.

    Raises:
        UsageError, ModelError, FormatError, KernelError: for what is wrong with either side.
    """
    texts = (first, second)
    files = [text for text in texts if Path(text).suffix == ".json"]
    if len(files) == len(texts):
        _refuse_options(how)
    saved = {text: read_profile(Path(text)) for text in files}
    like = asked(next(iter(saved.values()))) if saved else None
    sides = []
    for text in texts:
        with progress.step(text):
            side = _Side(text, saved[text], None) if text in saved else _kernel(text, how, like)
            sides.append(side)
    a, b = sides
    labels = _labels(a, b)
    agreement, notes = _values(a, b, how, progress)
    apart = work_apart(a.profile, b.profile)
    judged = different or not apart
    words = verdict(*labels, a.profile, b.profile) if judged else NO_VERDICT.format(apart)
    return KernelComparison(
        *labels,
        a.profile.arguments == b.profile.arguments and not any("arguments" in n for n in notes),
        deltas(a.profile, b.profile),
        words,
        agreement,
        tuple(notes),
        tuple(differences(a.profile, b.profile)),
        not apart,
        judged,
    )


def _refuse_options(how: How) -> None:
    given = {
        "--arg": how.words, "--chip": how.chip, "--lnc": how.num_cores, "--ranks": how.num_ranks,
        "--instance": how.instance,
    }  # fmt: skip
    wrong = [name for name, value in given.items() if value]
    if wrong:
        raise UsageError(
            f"glia nki compare: got {', '.join(wrong)} with two saved profiles, expected none, "
            "since nothing is run; leave it out"
        )


def _kernel(text: str, how: How, like: Asked | None) -> _Side:
    """A kernel, launched as asked for, and for the rest as the saved profile was."""
    like = like or Asked((), "", 1, 1)
    try:
        launch = prepare(
            text,
            how.words,
            how.chip or ("" if how.instance else like.chip),
            how.num_cores or like.num_cores,
            how.seed,
            how.time_limit_s,
            how.num_ranks or like.num_ranks,
            like.words,
            how.instance,
        )
    except UsageError as error:
        if not how.words or not str(error).startswith("--arg"):
            raise
        raise UsageError(f"{error}; {_APART}") from None
    profile, _ = profile_kernel(launch, NullProgress())
    return _Side(text, profile, launch)


def _values(
    a: _Side, b: _Side, how: How, progress: Progress
) -> tuple[tuple[Agreement, ...], list[str]]:
    """How well the values agree, or why that is not known."""
    if a.launch is None or b.launch is None:
        return (), ["values were not compared: a saved profile has none"]
    if a.launch.num_ranks > 1:
        return (), ["values were not compared: each rank has its own; see glia nki run --ranks"]
    if not a.launch.arguments.same_as(b.launch.arguments):
        return (), ["values were not compared: the arguments differ"]
    with progress.step("values"):
        given = leaves(a.launch.arguments.specs())
        formats = [spec.dtype.numpy for spec in given if isinstance(spec, TensorSpec)]
        mine, theirs = (launch_values(side)[1] for side in (a.launch, b.launch))
        return agree(mine, theirs, formats, how.tolerance), []


def work_apart(a: KernelProfile, b: KernelProfile) -> str:
    """Why the times of two launches are those of different problems; empty when they are not.

    Tensors tell, by type and shape: other values may be what is being tuned.
    """
    mine, theirs = (sorted(tensors(p.arguments)) for p in (a, b))
    if mine != theirs:
        return f"tensors {', '.join(mine) or 'none'} and {', '.join(theirs) or 'none'}"
    ranks = ranks_of(a.arguments), ranks_of(b.arguments)
    return f"{ranks[0]} and {ranks[1]} ranks" if ranks[0] != ranks[1] else ""


def differences(a: KernelProfile, b: KernelProfile) -> Iterator[str]:
    """What two launches do not have in common, each in one line."""
    if a.arguments != b.arguments:
        mine, theirs = (", ".join(p.arguments) or "none" for p in (a, b))
        yield f"different arguments: {mine}; and {theirs}"
    if a.chip != b.chip:
        yield f"different chips: {a.chip} and {b.chip}"
    if a.num_cores != b.num_cores:
        yield f"different cores: {count_text(a.num_cores, 'core')} and {b.num_cores}"


def _labels(a: _Side, b: _Side) -> tuple[str, str]:
    """What tells the two apart: kernel names, else what was typed, else the chips."""
    names = (a.profile.kernel, b.profile.kernel)
    if names[0] != names[1]:
        return names
    if a.label != b.label:
        return a.label, b.label
    return f"{a.label} (first)", f"{b.label} (second)"


def deltas(a: KernelProfile, b: KernelProfile) -> tuple[Delta, ...]:
    """Every quantity of both, with the ratio of second over first."""
    rows: list[tuple[str, str, float, float, str]] = [
        ("time", "s", a.time.likely, b.time.likely, "lower"),
        ("time, low", "s", a.time.low, b.time.low, "lower"),
        ("time, high", "s", a.time.high, b.time.high, "lower"),
        ("dataflow bound", "s", a.dataflow.likely, b.dataflow.likely, "lower"),
        ("energy", "J", a.energy.likely, b.energy.likely, "lower"),
        ("average power", "W", a.power.likely, b.power.likely, ""),
        ("MFU", "fraction", a.mfu.likely, b.mfu.likely, "higher"),
        ("MFU, adjusted", "fraction", a.adjusted_mfu.likely, b.adjusted_mfu.likely, "higher"),
        ("HFU", "fraction", a.hfu.likely, b.hfu.likely, "higher"),
        ("MBU", "fraction", a.mbu.likely, b.mbu.likely, ""),
        ("instructions", "count", a.num_instructions, b.num_instructions, "lower"),
        ("DMAs", "count", a.dma.num_transfers, b.dma.num_transfers, "lower"),
        ("DMA efficiency", "fraction", a.dma.efficiency.likely, b.dma.efficiency.likely, "higher"),
        ("HBM read", "B", a.dma.hbm_read_bytes, b.dma.hbm_read_bytes, "lower"),
        ("HBM written", "B", a.dma.hbm_write_bytes, b.dma.hbm_write_bytes, "lower"),
        ("loaded again", "B", _again(a), _again(b), "lower"),
        ("spilled", "B", _spilled(a), _spilled(b), "lower"),
        ("SBUF peak", "B", a.memory.sbuf_peak_bytes, b.memory.sbuf_peak_bytes, "lower"),
        ("PSUM banks", "count", a.memory.psum_peak_banks, b.memory.psum_peak_banks, "lower"),
    ]
    busy_a = {use.name: use.busy_s for use in a.engines}
    busy_b = {use.name: use.busy_s for use in b.engines}
    for name in dict.fromkeys((*busy_a, *busy_b)):
        rows.append((f"{name} active", "s", busy_a.get(name, 0.0), busy_b.get(name, 0.0), ""))
    return tuple(_delta(*row) for row in rows)


def _delta(name: str, unit: str, first: float, second: float, better: str) -> Delta:
    ratio = second / first if first else None
    return Delta(name, unit, first, second, ratio, better)  # type: ignore[arg-type]


def _again(p: KernelProfile) -> int:
    return sum(r.again_bytes for r in p.reloads)


def _spilled(p: KernelProfile) -> int:
    return sum(s.out_bytes + s.back_bytes for s in p.spills)


def verdict(first: str, second: str, a: KernelProfile, b: KernelProfile) -> str:
    """Which is faster, and whether the intervals leave room for the contrary."""
    first, second = (f"{n}{_where(p, o)}" for n, p, o in ((first, a, b), (second, b, a)))
    quick, slow = (first, second) if a.time.likely <= b.time.likely else (second, first)
    fast, other = (a, b) if quick == first else (b, a)
    if a.time.likely == b.time.likely:
        return f"{first} and {second} take the same time"
    ratio = other.time.likely / fast.time.likely
    words = f"{quick} is {ratio:.2f} times as fast as {slow} as written"
    apart = fast.time.high < other.time.low
    if apart:
        return f"{words}; whatever a scheduler does"
    low, high = (format_quantity(x, "s") for x in (fast.time.low, fast.time.high))
    return f"{words}; the intervals overlap ({low} to {high}), so a scheduler may undo it"


def _where(one: KernelProfile, other: KernelProfile) -> str:
    """The chip and cores of a launch, where the other has others."""
    cores = count_text(one.num_cores, "core") if one.num_cores != other.num_cores else ""
    chip = one.chip if one.chip != other.chip else ""
    words = ", ".join(filter(None, (chip, cores)))
    return f" on {words}" if words else ""
