"""All rules about graphs by identifier, and what a graph gives under them."""

from __future__ import annotations

from glia.port.graph_check import control, formats, kinds, operators, undocumented, windows
from glia.port.graph_check.rule import GraphRule

GRAPH_RULES: dict[str, GraphRule] = {
    rule.id: rule
    for part in (control, formats, windows, operators, kinds, undocumented)
    for rule in part.RULES
}
