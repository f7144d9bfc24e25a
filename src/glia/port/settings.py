"""What a project says about its own check: `[check]` in glia.toml, or `[tool.glia.check]`.

    [check]
    exclude = ["legacy/*"]
    accept = [{ rule = "C060", path = "kernels/*", reason = "there is a PyTorch form beside it" }]

The file is looked for beside what is checked and above it, up to the root of the repository; its
paths are relative to it. A key that is not known is refused, so that a typo cannot hide a finding.
"""

from __future__ import annotations

import fnmatch
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glia.core.errors import UsageError, choose
from glia.port.rule_ids import rule_id

_OWN, _SHARED = "glia.toml", "pyproject.toml"
_KEYS = ("exclude", "accept")
_ACCEPT_KEYS = ("rule", "path", "reason")


@dataclass(slots=True)
class Accepted:
    """One rule that may speak in some files, and why. `uses` counts the findings it accepts."""

    rule: str
    path: str
    reason: str
    uses: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one project; `folder` is where their file stands, and `file` its path."""

    folder: Path
    file: str = ""
    exclude: tuple[str, ...] = ()
    accept: tuple[Accepted, ...] = field(default=())

    def reason(self, rule: str, path: str) -> str | None:
        """Why a finding of this rule in this file is accepted; None when it is not."""
        if not self.accept:
            return None
        inside = os.path.relpath(path, self.folder).replace(os.sep, "/")
        for entry in self.accept:
            if entry.rule == rule and fnmatch.fnmatch(inside, entry.path):
                entry.uses += 1
                return entry.reason
        return None


def settings_for(root: Path) -> Settings:
    """The settings that hold for a file or folder; empty ones when no file has any.

    Raises:
        UsageError: for a file that is no TOML, an unknown key or rule, a missing reason.
    """
    start = root if root.is_dir() else root.parent
    for folder in (start, *start.absolute().parents):
        for name, section in ((_OWN, ("check",)), (_SHARED, ("tool", "glia", "check"))):
            tree = _table(folder / name, section)
            if tree is not None:
                return _read(tree, folder / name)
        if (folder / ".git").exists():
            break
    return Settings(start)


def _table(path: Path, section: tuple[str, ...]) -> Any:
    if not path.is_file():
        return None
    try:
        tree: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        if path.name != _OWN:
            return None  # somebody else's file
        raise UsageError(f"reading {path}: got {error}, expected TOML; mend it") from None
    if path.name == _OWN:
        for key in tree:
            choose(str(path), key, section)
    for key in section:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree


def _read(tree: Any, path: Path) -> Settings:
    if not isinstance(tree, Mapping):
        raise UsageError(f"{path}: got {tree!r}, expected a table with {', '.join(_KEYS)}")
    for key in tree:
        choose(str(path), key, _KEYS)
    exclude = tree.get("exclude", [])
    if not isinstance(exclude, list) or not all(isinstance(p, str) and p for p in exclude):
        raise UsageError(f'{path}: exclude: got {exclude!r}, expected patterns as ["legacy/*"]')
    accept = tree.get("accept", [])
    if not isinstance(accept, list):
        raise UsageError(f"{path}: accept: got {accept!r}, expected a list of tables")
    entries = tuple(_accepted(entry, path) for entry in accept)
    return Settings(path.parent, str(path), tuple(exclude), entries)


def _accepted(entry: Any, path: Path) -> Accepted:
    what = f"{path}: accept"
    if not isinstance(entry, Mapping):
        raise UsageError(f"{what}: got {entry!r}, expected {{ rule, path, reason }}")
    for key in entry:
        choose(what, key, _ACCEPT_KEYS)
    for key in _ACCEPT_KEYS:
        value = entry.get(key, "")
        if not isinstance(value, str) or not value.strip():
            raise UsageError(f"{what}: got {dict(entry)}, expected a text for {key!r}; add it")
    return Accepted(rule_id(what, entry["rule"]), entry["path"], entry["reason"])
