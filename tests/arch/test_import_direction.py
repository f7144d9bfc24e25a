"""A package imports only from strictly lower levels; siblings never import each other."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from arch.sources import PACKAGE, imports, imports_at_load, package_files, shown, tree_of

LEVELS = {
    "core": 0,
    "chips": 1,
    "graph": 1,
    "report": 1,
    "isa": 2,
    "cost": 2,
    "frontends": 2,
    "silicon": 3,
    "nki": 4,
    "kernels": 5,
    "compiler": 6,
    "devices": 7,
    "fleet": 7,
    "port": 8,
    "train": 8,
    "serve": 8,
    "plan": 8,
    "cli": 9,
}

# Packages that take long to import or are optional, and the words in a path that may load them.
HEAVY = {
    "torch": ("torch", "cpu.py", "cuda.py"),
    "transformers": ("huggingface.py",),
    "jax": ("jax", "tpu.py"),
    "onnx": ("onnx",),
}


def room(path: Path) -> str:
    """The package that a file belongs to; empty for the files beside the rooms."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else ""


def upward_imports(path: Path) -> list[str]:
    """Imports of `path` that do not point to its own room or to a lower level."""
    own = room(path)
    found = []
    for name, line in imports(path):
        parts = name.split(".")
        if parts[0] != "glia" or len(parts) < 2 or parts[1] == own:
            continue
        if (path.name, parts[1]) == ("__main__.py", "cli"):  # `python -m glia` is the command
            continue
        if not own or LEVELS.get(parts[1], 0) >= LEVELS[own]:
            found.append(f"{shown(path)}:{line} imports {name}")
    return found


def test_every_folder_is_a_room_of_the_design():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders <= LEVELS.keys()


def test_imports_point_down():
    wrong = [text for path in package_files() for text in upward_imports(path)]
    assert not wrong, "\n".join(wrong)


def test_an_upward_import_would_be_found(tmp_path, monkeypatch):
    package = tmp_path / "src" / "glia"
    for name in ("core", "graph", "report"):
        (package / name).mkdir(parents=True)
    bad = package / "graph" / "bad.py"
    bad.write_text(
        "from glia.core import errors\n"
        "from . import ir\n"
        "def f():\n    from glia import report\n    from ..cli import app\n"
    )
    monkeypatch.setattr("arch.sources.PACKAGE", package)
    monkeypatch.setattr("arch.sources.ROOT", tmp_path)
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", package)
    assert upward_imports(bad) == [
        "src/glia/graph/bad.py:4 imports glia.report",
        "src/glia/graph/bad.py:5 imports glia.cli.app",
    ]


def test_kernels_import_the_kernel_language_only():
    allowed = ("glia.nki", "glia.kernels")
    wrong = [
        f"{shown(path)}:{line} imports {name}"
        for path in package_files()
        if room(path) == "kernels"
        for name, line in imports(path)
        if name.split(".")[0] not in sys.stdlib_module_names
        and ".".join(name.split(".")[:2]) not in allowed
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", sorted(HEAVY))
def test_heavy_packages_load_only_in_the_file_named_for_them(package):
    wrong = [
        f"{shown(path)}:{line}"
        for path in package_files()
        if not any(word in shown(path) for word in HEAVY[package])
        for name, line in imports_at_load(tree_of(path))
        if name == package
    ]
    assert not wrong, f"{package} is imported when these load: {', '.join(wrong)}"
