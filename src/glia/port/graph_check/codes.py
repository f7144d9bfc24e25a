"""The documented codes of the Neuron compiler: which rule predicts each, or why none does."""

from __future__ import annotations

from glia.port.graph_check.table import GRAPH_RULES
from glia.port.rules.sources import CODES

_SIZE = "needs the compiler's own counting of instructions; the pages give no formula"
_MEMORY = "a question of memory: `glia fit`"
_CUSTOM = "concerns a custom call of block-scaled formats, which no graph of PyTorch on a CPU has"
# Codes that a captured graph cannot show.
NOT_PREDICTED: dict[str, str] = {
    "EARG001": "an option of the command line (`--lnc`), not of the graph",
    "EBVF030": _SIZE,
    "EVRF007": _SIZE,
    "EXTP004": _SIZE,
    "EOOM001": _MEMORY,
    "EOOM002": _MEMORY,
    "EVRF009": _MEMORY,
    "EXSP001": _MEMORY,
    "EVRF017": "a window over a dilated input: PyTorch has no operation that asks for one",
    "EVRF052": "is about chips after Trainium3",
    "EVRF059": "a missing file of a kernel, on the machine that compiles",
    "EVRF064": "a malformed graph, which the framework made",
    "EVRF065": "a kernel traced by an older toolchain",
    **{f"EVRF{n:03d}": _CUSTOM for n in (*range(36, 51), 53, 54, 55, 57, 58)},
}


def rules_by_code() -> dict[str, tuple[str, ...]]:
    """The identifiers of the rules that predict each code."""
    found: dict[str, tuple[str, ...]] = {}
    for rule in GRAPH_RULES.values():
        for code in rule.codes:
            found[code] = (*found.get(code, ()), rule.id)
    return found


def code_table() -> str:
    """All codes as a table in Markdown; `docs/graph_check.md` holds it."""
    predicted = rules_by_code()
    lines = [f"Codes as documented at <{CODES}>.", "", "| code | predicted by |", "|---|---|"]
    for code in sorted({*predicted, *NOT_PREDICTED}):
        by = ", ".join(predicted.get(code, ())) or f"not: {NOT_PREDICTED[code]}"
        lines.append(f"| NCC_{code} | {by} |")
    return "\n".join(lines) + "\n"
