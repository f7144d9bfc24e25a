"""What a rewriter proposes for one place: edits of its syntax tree, or why there are none.

The new text of an edit is a template. `@name` stands for a function of the project's device helper,
under whatever name the file imports it; `{hole}` for a part of the old code, which is kept with its
comments and layout. Nothing here reads or writes files.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_HELPER_NAME = re.compile(r"@(\w+)")


@dataclass(frozen=True, slots=True)
class Replace:
    """Put an expression, or an assignment as a whole, in another form."""

    node: ast.AST
    text: str
    holes: Mapping[str, ast.AST] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AddArgument:
    """One more argument at the end of a call; by name, or by place where `name` is empty."""

    node: ast.Call
    text: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class DropArgument:
    """Leave an argument of a call out; `value` is what it was given."""

    node: ast.Call
    value: ast.expr


@dataclass(frozen=True, slots=True)
class NameArgument:
    """Give an argument that was given by its place by its name."""

    node: ast.Call
    value: ast.expr
    name: str


@dataclass(frozen=True, slots=True)
class DropImport:
    """Leave names out of an import, or all of it, because nothing uses them any more."""

    node: ast.Import | ast.ImportFrom
    names: frozenset[str]


Edit = Replace | AddArgument | DropArgument | NameArgument | DropImport


@dataclass(frozen=True, slots=True)
class Fix:
    """The edits that mend one place; all of them or none are done."""

    edits: tuple[Edit, ...]

    @property
    def helper_names(self) -> frozenset[str]:
        """The functions of the helper that the new text calls."""
        texts = (e.text for e in self.edits if isinstance(e, (Replace, AddArgument)))
        return frozenset(name for text in texts for name in _HELPER_NAME.findall(text))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a place is left as it is."""

    reason: str


def fix(*edits: Edit) -> Fix:
    """A fix of these edits."""
    return Fix(edits)


def replace(node: ast.AST, text: str, **holes: ast.AST) -> Fix:
    """A fix that replaces one node."""
    return Fix((Replace(node, text, holes),))


def with_helper(text: str, helper: str) -> str:
    """The template with the name under which a file knows the helper."""
    return _HELPER_NAME.sub(rf"{helper}.\1", text)
