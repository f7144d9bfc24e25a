"""One rule of the subset: what it refuses, and how to find it in a syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]
Kind = Literal["kernel", "helper", "class", "module"]


@dataclass(frozen=True, slots=True)
class Scope:
    """The definition being read: a kernel, a helper that it calls, or a class that it uses.

    `kernels` are the names of the file's kernels; `modules` maps a local name to the module that it
    was imported as (`nl` to `nki.language`); `loop_bodies` are functions handed to device loops.
    `unbound` are the places of names that nothing binds, `wrong` those of attributes that the
    tensor before them does not have (`scopes.py`).
    """

    kind: Kind
    name: str
    kernels: frozenset[str] = frozenset()
    modules: tuple[tuple[str, str], ...] = ()
    loop_bodies: frozenset[str] = frozenset()
    unbound: frozenset[tuple[int, int]] = frozenset()
    wrong: frozenset[tuple[int, int]] = frozenset()

    def module(self, name: str) -> str:
        """The module behind a local name, or an empty string."""
        return dict(self.modules).get(name, "")

    def called(self, node: ast.expr) -> str:
        """The full dotted name of what an expression names, as `nki.isa.dma_copy`."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        first = self.module(node.id) or node.id
        return ".".join([first, *reversed(parts)])


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a rule is broken: the code in words, and a severity where it is not the rule's own."""

    node: ast.AST
    what: str = ""
    severity: Severity | None = None


Find = Callable[[ast.AST, Scope], Iterator[Hit]]


@dataclass(frozen=True, slots=True)
class Rule:
    """What the compiler refuses, and what to write instead.

    `find` sees one node at a time. `bad` is a file that breaks this rule and no other, `good` the
    same thing as the compiler takes it. `severity` is `warning` for what it accepts for now.
    """

    name: str
    severity: Severity
    what: str
    do: str
    source: str
    find: Find
    bad: str
    good: str
