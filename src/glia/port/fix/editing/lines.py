"""Lines that import the helper, put into libcst's tree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import libcst as cst

from glia.port.fix.editing.layout import Layout
from glia.port.fix.editing.placing import Where


@dataclass(frozen=True, slots=True)
class ImportLine:
    """A line that imports the helper, and where it stands."""

    where: Where
    code: str


class Lines:
    """The lines by libcst's statements.

    Raises:
        Unplaced: when the place of one is not certain.
    """

    def __init__(self, layout: Layout, lines: Iterable[ImportLine]) -> None:
        self._by_node: dict[cst.CSTNode, ImportLine] = {}
        for line in lines:
            statement = line.where.statement
            node = layout.wrapper.module if statement is None else layout.statement(statement)
            self._by_node[node] = line

    def added(self, original: cst.CSTNode, updated: Any) -> Any:
        """A statement with the line beside it; a function or a file with it at the start."""
        line = self._by_node.get(original)
        if line is None:
            return updated
        new = _statement(line.code)
        if isinstance(updated, cst.Module):
            return updated.with_changes(body=[new, *updated.body])
        if isinstance(updated, cst.FunctionDef) and line.where.side == "inside":
            return updated.with_changes(body=_started(updated.body, new))
        if isinstance(updated, cst.SimpleStatementSuite):
            return _in_suite(updated, new, line.where.side == "after")
        if line.where.side == "before":
            return cst.FlattenSentinel([new, updated])
        if not getattr(updated, "body", True):  # all that stood in this line is gone
            return new.with_changes(leading_lines=updated.leading_lines)
        return cst.FlattenSentinel([updated, new])


def _statement(code: str) -> cst.SimpleStatementLine:
    line = cst.parse_statement(code)
    assert isinstance(line, cst.SimpleStatementLine)
    return line


def _started(suite: cst.BaseSuite, new: cst.SimpleStatementLine) -> cst.BaseSuite:
    """The body of a function with one more line, behind its docstring."""
    if isinstance(suite, cst.SimpleStatementSuite):
        return _in_suite(suite, new, False)
    assert isinstance(suite, cst.IndentedBlock)
    at = 1 if _is_docstring(suite.body[0]) and len(suite.body) > 1 else 0
    return suite.with_changes(body=[*suite.body[:at], new, *suite.body[at:]])


def _is_docstring(statement: cst.CSTNode) -> bool:
    first = statement.body[0] if isinstance(statement, cst.SimpleStatementLine) else None
    return isinstance(first, cst.Expr) and isinstance(
        first.value, (cst.SimpleString, cst.ConcatenatedString)
    )


def _in_suite(
    suite: cst.SimpleStatementSuite, new: cst.SimpleStatementLine, at_end: bool
) -> cst.SimpleStatementSuite:
    """`try: import torch` on one line."""
    semicolon = cst.Semicolon(whitespace_after=cst.SimpleWhitespace(" "))
    parts = [*suite.body, *new.body] if at_end else [*new.body, *suite.body]
    parts = [part.with_changes(semicolon=semicolon) for part in parts[:-1]] + [parts[-1]]
    return suite.with_changes(body=parts)
