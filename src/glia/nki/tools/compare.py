"""`glia nki compare`: two kernels side by side, and whether they compute the same.

Each side is `FILE.py:KERNEL` or a `profile.json` that `glia nki profile --out` wrote.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from glia.core.errors import FormatError, UsageError
from glia.core.kernel_records import (
    PROFILE_FORMAT,
    Agreement,
    Delta,
    KernelComparison,
    KernelProfile,
)
from glia.core.progress import NullProgress, Progress
from glia.core.units import format_quantity
from glia.nki.tools.deadline import DEFAULT_S
from glia.nki.tools.launch import Launch, prepare
from glia.nki.tools.profile import profile_kernel
from glia.nki.tools.run import launch_values

_APART = (
    "both kernels get the same --arg; where their parameters differ, save a profile of each with "
    "glia nki profile FILE.py:KERNEL --out DIR, and compare the two profile.json"
)


@dataclass(frozen=True, slots=True)
class _Side:
    label: str
    profile: KernelProfile
    launch: Launch | None


def compare(
    first: str,
    second: str,
    words: Sequence[str],
    chip: str,
    num_cores: int,
    seed: int,
    progress: Progress,
    time_limit_s: float = DEFAULT_S,
) -> KernelComparison:
    """Profile both sides (or read them) and compare; run both when their arguments are equal.

    Raises:
        UsageError, ModelError, FormatError, KernelError: for what is wrong with either side.
    """
    if all(Path(text).suffix == ".json" for text in (first, second)) and words:
        raise UsageError("glia nki compare: got --arg with two saved profiles; leave it out")
    sides = []
    for text in (first, second):
        with progress.step(text):
            sides.append(_side(text, words, chip, num_cores, seed, time_limit_s))
    a, b = sides
    same = a.profile.arguments == b.profile.arguments
    agreement: tuple[Agreement, ...] = ()
    notes: list[str] = []
    if a.launch is None or b.launch is None:
        notes.append("values were not compared: a saved profile has none")
    elif not a.launch.arguments.same_as(b.launch.arguments):
        same = False
        notes.append("values were not compared: the arguments differ")
    else:
        with progress.step("values"):
            outputs = [launch_values(side)[1] for side in (a.launch, b.launch)]
            agreement, found = agree(*outputs)
            notes += found
    if a.profile.chip != b.profile.chip:
        notes.append(f"different chips: {a.profile.chip} and {b.profile.chip}")
    labels = _labels(a, b)
    return KernelComparison(
        *labels, same, deltas(a.profile, b.profile),
        verdict(*labels, a.profile, b.profile), agreement, tuple(notes),
    )  # fmt: skip


def _side(
    text: str, words: Sequence[str], chip: str, num_cores: int, seed: int, time_limit_s: float
) -> _Side:
    if Path(text).suffix == ".json":
        profile = read_profile(Path(text))
        return _Side(text, profile, None)
    try:
        launch = prepare(text, words, chip, num_cores, seed, time_limit_s)
    except UsageError as error:
        if not words or not str(error).startswith("--arg"):
            raise
        raise UsageError(f"{error}; {_APART}") from None
    profile, _ = profile_kernel(launch, NullProgress())
    return _Side(text, profile, launch)


def _labels(a: _Side, b: _Side) -> tuple[str, str]:
    """What tells the two apart: kernel names, else what was typed."""
    names = (a.profile.kernel, b.profile.kernel)
    return names if names[0] != names[1] else (a.label, b.label)


def read_profile(path: Path) -> KernelProfile:
    """A profile that `glia nki profile --out` wrote.

    Raises:
        UsageError: when the file cannot be read.
        FormatError: when it is not such a profile, or of another version.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"reading {path}: got {error.strerror}; check the path") from None
    except ValueError:
        raise FormatError(f"reading {path}: got no JSON, expected a profile.json") from None
    version = found.get("format") if isinstance(found, dict) else None
    if version != PROFILE_FORMAT:
        raise FormatError(
            f"reading {path}: got format {version!r}, expected {PROFILE_FORMAT}; write it again "
            "with: glia nki profile FILE.py:KERNEL --out DIR"
        )
    try:
        return TypeAdapter(KernelProfile).validate_python(_plain(found))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise FormatError(
            f"reading {path}: got a bad {where}: {first['msg']}; write the profile again"
        ) from None


def _plain(value: object) -> object:
    """Without derived fields, which `to_json` adds and the records compute."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items() if key != "ok"}
    return [_plain(v) for v in value] if isinstance(value, list) else value


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


def agree(
    first: dict[str, np.ndarray], second: dict[str, np.ndarray]
) -> tuple[tuple[Agreement, ...], list[str]]:
    """How well the outputs of both agree, in order; notes where there is nothing to compare."""
    notes = []
    if len(first) != len(second):
        notes.append(f"different numbers of outputs: {len(first)} and {len(second)}")
    pairs = zip(first.items(), second.values(), strict=False)
    return tuple(_agreement(name, x, y) for (name, x), y in pairs), notes


def _agreement(name: str, x: np.ndarray, y: np.ndarray) -> Agreement:
    if x.shape != y.shape:
        return Agreement(name, False, False, float("inf"), float("inf"))
    if x.dtype == y.dtype and x.tobytes() == y.tobytes():
        return Agreement(name, True, True, 0.0, 0.0)
    a, b = _wide(x), _wide(y)
    both = np.isfinite(a) & np.isfinite(b)
    if not ((np.isnan(a) & np.isnan(b)) | (a == b) | both).all():
        return Agreement(name, True, False, float("inf"), float("inf"))
    difference = np.where(both, a - b, 0.0)
    scale = float(np.sqrt(np.mean(np.where(both, a, 0.0) ** 2)))
    rms = float(np.sqrt(np.mean(difference**2)))
    relative = rms / scale if scale else (0.0 if rms == 0 else float("inf"))
    return Agreement(name, True, False, float(np.abs(difference).max(initial=0.0)), relative)


def _wide(array: np.ndarray) -> np.ndarray:
    return array.view(np.uint8).astype(float) if array.dtype.fields else array.astype(float)
