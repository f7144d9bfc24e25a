"""Records of `glia fix`: what was rewritten in which file, and what was left, with the reason."""

from __future__ import annotations

from dataclasses import dataclass

from glia.core.check_records import Unread


@dataclass(frozen=True, slots=True)
class FixedPlace:
    """One place that was rewritten for a rule. `line` and `cell` count from 1 in the old text;
    `cell` is 0 outside of notebooks."""

    rule: str
    file: str
    line: int
    code: str
    cell: int = 0
    new: str = ""  # the line in its new form; empty when it is gone


@dataclass(frozen=True, slots=True)
class LeftPlace:
    """One finding that stays, and why; `title` is what the rule says."""

    rule: str
    title: str
    file: str
    line: int
    code: str
    reason: str
    cell: int = 0


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file that is new or different. `helper`: it is the project's device helper."""

    file: str
    is_new: bool
    helper: bool
    num_places: int


@dataclass(frozen=True, slots=True)
class FixReport:
    """One run of `glia fix`. `diff` is the patch as text; `written` says whether it was applied.

    `num_files` Python files and notebooks were read; `notes` are remarks for the reader.
    """

    path: str
    targets: tuple[str, ...]
    changed: tuple[ChangedFile, ...]
    fixed: tuple[FixedPlace, ...]
    left: tuple[LeftPlace, ...]
    unread: tuple[Unread, ...]
    notes: tuple[str, ...]
    num_files: int
    diff: str
    written: bool = False
    format: int = 1
