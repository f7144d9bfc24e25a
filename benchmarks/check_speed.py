"""How fast `glia check` reads a folder: wall and CPU time, and what 8,600 such files would take.

    python benchmarks/check_speed.py FOLDER [FOLDER ...]

The goal is 8,600 Python files in 60 s on two idle cores; CPU seconds are given because a busy
machine makes wall time say little. Each folder is read once from disk before it is timed.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from glia.core.check_records import CheckReport
from glia.port.project_check import check_project
from glia.port.reading import num_processors
from glia.port.source.files.project import Walk
from glia.port.targets import target_named

GOAL_FILES, GOAL_S, GOAL_CORES = 8_600, 60.0, 2
TARGETS = ("neuron", "tpu", "rocm", "cpu")


def cpu_s() -> float:
    """CPU seconds of this process and of the workers that have ended."""
    uses = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)


def num_bytes(folder: Path) -> int:
    """Bytes of the files that are read, which also brings them into the system's cache."""
    read = ("python", "notebook")
    return sum(len(file.path.read_bytes()) for file in Walk(folder) if file.kind in read)


def measured(folder: Path) -> tuple[CheckReport, float]:
    """The report, and the CPU seconds that it took."""
    before = cpu_s()
    report = check_project(folder, [target_named(name) for name in TARGETS])
    return report, cpu_s() - before


def main(folders: list[str]) -> None:
    files, wall, cpu = 0, 0.0, 0.0
    for name in folders:
        size = num_bytes(Path(name))
        report, spent = measured(Path(name))
        files, wall, cpu = files + report.num_files, wall + report.wall_s, cpu + spent
        print(
            f"{name}: {report.num_files:,} files, {size / 1e6:.1f} MB, {report.num_parsed:,} read "
            f"in full, {len(report.findings):,} findings, {len(report.unread)} not read; "
            f"{report.wall_s:.1f} s, {spent:.1f} s of CPU"
        )
    scale = GOAL_FILES / files
    print(
        f"{GOAL_FILES:,} such files: {wall * scale:.0f} s here on {num_processors()} processors, "
        f"{cpu * scale / GOAL_CORES:.0f} s by CPU time on {GOAL_CORES} idle ones "
        f"(goal {GOAL_S:.0f} s)"
    )


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python benchmarks/check_speed.py FOLDER [FOLDER ...]")
    main(sys.argv[1:])
