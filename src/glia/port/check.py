"""What in the model's own code is tied to CUDA: found by reading the syntax tree, never by running.

Reads the file that the model comes from and the modules beside it that it imports. The rules are
records (`rules/`); where they may look is decided in `source/`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from glia.core.records import Finding, Severity, SourceLine
from glia.port.rules.rule import Advice, Family
from glia.port.scan import Place, parse, places
from glia.port.source.module import Module

_SEVERITY: dict[str, Severity] = {"raises": "warns", "silent": "warns"}


def source_findings(file: Path, family: Family = "neuron") -> tuple[Finding, ...]:
    """What ties `file` and the modules beside it to CUDA, for a family of chips, in reading order.

    What runs only where CUDA is, or may be absent, is a note.
    """
    found: list[Finding] = []
    for module in with_neighbours(file):
        found += module_findings(module, family)
    return tuple(found)


def module_findings(module: Module, family: Family) -> list[Finding]:
    """One finding per rule and line of one module."""
    found = ((place, place.rule.on[family]) for place in places(module))
    return [_finding(module, *both) for both in found if both[1].effect != "works"]


def _finding(module: Module, place: Place, advice: Advice) -> Finding:
    severity = "note" if place.guard else _SEVERITY.get(advice.effect, "note")
    source = SourceLine(module.path, place.line, module.code(place.line))
    what = f"{place.rule.title}: {place.rule.why}"
    return Finding(place.rule.id, severity, what, advice.do, source)


def with_neighbours(file: Path) -> list[Module]:
    """The file, and every .py beside it that it imports, directly or not."""
    seen: dict[Path, Module | None] = {}
    waiting = [file]
    while waiting:
        path = waiting.pop(0)
        if path in seen:
            continue
        module = seen[path] = _read(path)
        names = _imported(module) if module is not None else ()
        waiting += [p for p in (path.parent / f"{n}.py" for n in names) if p.is_file()]
    return [module for module in seen.values() if module is not None]


def _read(path: Path) -> Module | None:
    try:
        return parse(str(path), path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError, ValueError, RecursionError):
        return None  # the loader reports a file that does not run; this only reads


def _imported(module: Module) -> Iterator[str]:
    for node in module.nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]
