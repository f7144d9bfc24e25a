"""The files that tell a build tool what to take: `pyproject.toml`, `setup.cfg`, `setup.py`."""

from __future__ import annotations

import ast
import configparser
import tomllib
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

BUILD_FILES = ("pyproject.toml", "setup.cfg", "setup.py")


def pyproject(folder: Path) -> dict[str, Any]:
    """What `pyproject.toml` says; nothing when it is not there or not read."""
    with suppress(OSError, ValueError, RecursionError):
        return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    return {}


def table(data: dict[str, Any], *names: str) -> dict[str, Any]:
    """A table inside of others; empty where there is none."""
    for name in names:
        inner = data.get(name)
        data = inner if isinstance(inner, dict) else {}
    return data


def setup_cfg(folder: Path) -> dict[str, str] | None:
    """The options of `setup.cfg`; None when there are none."""
    reader = configparser.ConfigParser(interpolation=None)
    with suppress(OSError, ValueError, configparser.Error):
        reader.read(folder / "setup.cfg", encoding="utf-8")
    return dict(reader["options"]) if reader.has_section("options") else None


def setup_call(folder: Path) -> dict[str, Any] | None:
    """The arguments of `setup(...)` in `setup.py` that are written out; the others as Ellipsis.
    None when there is no such call."""
    with suppress(OSError, ValueError, SyntaxError, RecursionError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse((folder / "setup.py").read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "setup":
                return {k.arg or "**": _value(k.value) for k in node.keywords}
    return None


def _value(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ...
