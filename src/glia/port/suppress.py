"""Findings that the user accepts in the code: `# glia: ignore[C001, C015] why it may stay`.

The comment stands on a line of the finding, or alone on the line above it. It names rules and a
reason; one that lacks either accepts nothing, and is reported.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field

from glia.port.graph_check.table import GRAPH_RULES
from glia.port.rules.table import RULES

_MARK = re.compile(r"#\s*glia\s*:\s*ignore\b\s*(?:\[([^\]]*)\])?\s*(.*)")
_COMMENT = re.compile(r"(?:^|(?<=\s))(?://|#)\s*glia\s*:\s*ignore\b\s*(?:\[([^\]]*)\])?\s*(.*)")
_HINT = "glia"


@dataclass(slots=True)
class Suppressions:
    """Of one file: (line, rule) -> reason, and what is wrong with a comment."""

    reasons: dict[tuple[int, str], str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def reason(self, rule: str, line: int, last: int = 0) -> str | None:
        """Why a finding that reaches from `line` to `last` is accepted; None when it is not."""
        reasons = (self.reasons.get((at, rule)) for at in range(line, max(line, last) + 1))
        return next((reason for reason in reasons if reason is not None), None)


def suppressions(text: str) -> Suppressions:
    """All such comments of a Python text. A text inside quotes is no comment."""
    found = Suppressions()
    if _HINT not in text or not _MARK.search(text):
        return found
    for token in _comments(text):
        mark = _MARK.search(token.string)  # also behind another comment
        if mark is not None:
            _add(found, mark, token.start[0], not token.line[: token.start[1]].strip())
    return found


def comment_suppressions(text: str) -> Suppressions:
    """The same of a text that is no Python; in C++ they are written `// glia: ignore[...]`."""
    found = Suppressions()
    if _HINT not in text:
        return found
    for number, line in enumerate(text.split("\n"), 1):
        mark = _COMMENT.search(line)
        if mark is not None:
            _add(found, mark, number, not line[: mark.start()].strip())
    return found


def _add(found: Suppressions, mark: re.Match[str], line: int, alone: bool) -> None:
    ids = [part.strip().upper() for part in (mark[1] or "").split(",") if part.strip()]
    reason = mark[2].strip()
    problem = _problem(ids, reason)
    if problem:
        found.problems.append(f"line {line}: glia: ignore {problem}")
        return
    for rule in ids:
        found.reasons[line + 1 if alone else line, rule] = reason


def _problem(ids: list[str], reason: str) -> str:
    unknown = [rule for rule in ids if rule not in RULES and rule not in GRAPH_RULES]
    if not ids:
        return "names no rule; write glia: ignore[C001] and the reason"
    if unknown:
        return f"names {', '.join(unknown)}, which is no rule"
    return "" if reason else "gives no reason; write it behind the bracket"


def _comments(text: str) -> Iterator[tokenize.TokenInfo]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token
    except (tokenize.TokenError, SyntaxError):
        return  # what the tree's reader takes and this one does not: seen so far
