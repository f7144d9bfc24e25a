"""Projects for the tests of `glia fix`: written, fixed, checked."""

from __future__ import annotations

from pathlib import Path

from glia.port.fix.project import ProjectFix, fix_project
from glia.port.targets import target_named


def write_files(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
    return folder


def fix_in_place(folder: Path, to: str = "trn2,cpu") -> ProjectFix:
    """Plan and write, without git."""
    plan = fix_project(folder, [target_named(name) for name in to.split(",")])
    for change in plan.changes:
        change.path.write_bytes(change.new)
    return plan


def fixed_text(folder: Path, text: str, to: str = "trn2,cpu") -> str:
    """A script after `glia fix`."""
    write_files(folder, {"script.py": text})
    fix_in_place(folder, to)
    return (folder / "script.py").read_bytes().decode("utf-8")
