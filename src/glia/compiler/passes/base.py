"""What a pass is, and the pipeline that runs several with the verifier between them.

A pass is a frozen dataclass: its fields are its options, `run` maps a graph to a graph, `notes`
says in a few words what that did, by comparing the two. A pipeline prints as
`fold-constants,set-precision{precision=bf16}` and parses from the same text.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Protocol

from glia.core.errors import UsageError, choose
from glia.graph.ir import Graph
from glia.graph.verify import verify


class Pass(Protocol):
    """One rewriting of a graph. Implementations are frozen dataclasses."""

    name: ClassVar[str]

    def run(self, graph: Graph) -> Graph:
        """The rewritten graph; the argument is never changed."""
        ...

    def notes(self, before: Graph, after: Graph) -> tuple[str, ...]:
        """What the pass did, in short texts for users; empty when it did nothing."""
        ...


def plural(count: int, noun: str) -> str:
    """`1 node`, `2 nodes`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def count_ops(graph: Graph, *ops: str) -> int:
    """How many nodes of `graph` apply one of `ops`."""
    return sum(node.op in ops for node in graph.nodes)


def recognised_notes(ops: Sequence[str], before: Graph, after: Graph) -> tuple[str, ...]:
    """The note of a pass that names ops which the model spells out: how many of which."""
    gained = {op: count_ops(after, op) - count_ops(before, op) for op in ops}
    return tuple(
        f"recognised {op} written in primitives, {plural(count, 'time')}"
        for op, count in gained.items()
        if count > 0
    )


def shrink_notes(verb: str, before: Graph, after: Graph) -> tuple[str, ...]:
    """The note of a pass whose work is the nodes it took away."""
    removed = len(before.nodes) - len(after.nodes)
    return (f"{verb} {plural(removed, 'node')}",) if removed > 0 else ()


@dataclass(frozen=True, slots=True)
class PassPipeline:
    """Passes in order. The graph is verified before the first and after each."""

    passes: tuple[Pass, ...]

    def run(self, graph: Graph) -> tuple[Graph, tuple[str, ...]]:
        """The rewritten graph, and what each pass did, in order."""
        verify(graph)
        notes: list[str] = []
        for step in self.passes:
            before, graph = graph, step.run(graph)
            verify(graph)
            notes += step.notes(before, graph)
        return graph, tuple(dict.fromkeys(notes))

    def __str__(self) -> str:
        return ",".join(_print_pass(step) for step in self.passes)

    @staticmethod
    def parse(text: str) -> PassPipeline:
        """The pipeline that prints as `text`.

        Raises:
            UsageError: for an unknown pass or option, or text that is no pipeline.
        """
        if not re.fullmatch(rf"({_ONE_PASS}(,{_ONE_PASS})*)?", text):
            raise UsageError(
                f"pass pipeline: got {text!r}, expected a form such as "
                "fold-constants,set-precision{precision=bf16}; correct it"
            )
        return PassPipeline(tuple(_parse_pass(m) for m in re.finditer(_ONE_PASS, text)))


_ONE_PASS = r"([a-z-]+)(?:\{([^{}]*)\})?"


@cache
def pass_classes() -> dict[str, type[Any]]:
    """Every pass by name: each public module of this package holds exactly one."""
    package = importlib.import_module("glia.compiler.passes")
    modules = sorted(m.name for m in pkgutil.iter_modules(package.__path__))
    names = [m for m in modules if not m.startswith("_") and m != "base"]
    return {m.replace("_", "-"): _pass_in(f"{package.__name__}.{m}") for m in names}


def _pass_in(module_name: str) -> type[Any]:
    module = importlib.import_module(module_name)
    found: list[type[Any]] = [
        c
        for c in vars(module).values()
        if isinstance(c, type) and c.__module__ == module_name and hasattr(c, "run")
    ]
    expected = module_name.rpartition(".")[2].replace("_", "-")
    if len(found) != 1 or getattr(found[0], "name", "") != expected:
        raise TypeError(f"{module_name}: expected exactly one pass named {expected!r}")
    return found[0]


def _print_pass(step: Any) -> str:
    changed = [
        f"{f.name}={getattr(step, f.name)}"
        for f in dataclasses.fields(step)
        if getattr(step, f.name) != f.default
    ]
    return step.name + (f"{{{','.join(changed)}}}" if changed else "")


def _parse_pass(match: re.Match[str]) -> Pass:
    name, options = match.group(1), match.group(2)
    cls = pass_classes()[choose("pass", name, pass_classes())]
    pairs = [text.partition("=") for text in options.split(",")] if options else []
    return cls(**{key: _option(cls, key, value) for key, _, value in pairs})


def _option(cls: type[Any], key: str, text: str) -> Any:
    fields = {f.name: f for f in dataclasses.fields(cls)}
    if not fields:
        raise UsageError(f"pass {cls.name}: got option {key!r}, expected none; remove it")
    default = fields[choose(f"option of pass {cls.name}", key, fields)].default
    if not isinstance(default, int):
        return text
    if not text.isdigit():
        raise UsageError(f"option {key} of pass {cls.name}: got {text!r}, expected a whole number")
    return int(text)
