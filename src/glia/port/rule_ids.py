"""The identifier of a rule as people write it (`c5` for C005); the nearest of an unknown one."""

from __future__ import annotations

import difflib
import re

from glia.core.errors import UsageError
from glia.port.graph_check.table import GRAPH_RULES
from glia.port.rules.rule import Rule
from glia.port.rules.table import RULES

_SHORT = re.compile(r"([A-Z])0*(\d{1,3})")
_NEAR = 3


def all_rules() -> dict[str, Rule]:
    """The rules about source and about graphs, by identifier."""
    return {**RULES, **GRAPH_RULES}


def rule_id(what: str, text: str) -> str:
    """The identifier that `text` means.

    Raises:
        UsageError: for one that no rule has; names the nearest, as there are too many to list.
    """
    name = text.strip().upper()
    short = _SHORT.fullmatch(name)
    if short is not None:
        name = f"{short[1]}{int(short[2]):03}"
    known = all_rules()
    if name in known:
        return name
    near = difflib.get_close_matches(name, known, n=_NEAR, cutoff=0.7)
    hint = f"did you mean {' or '.join(sorted(near))}? " if near else ""
    raise UsageError(
        f"{what}: got {text!r}, expected the identifier of a rule, as C016; "
        f"{hint}all are listed by: glia explain"
    )
