"""What an op is: its name, its shape rule, and its meaning; and the two ways to declare one.

A primitive states its meaning in NumPy. A composite states it as a decomposition into other ops,
and has no second meaning: evaluating it evaluates the decomposition. Arrays are positional,
static attributes are keywords, everywhere.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from glia.core.errors import choose
from glia.graph.ir import TensorType

InferFn = Callable[..., TensorType]


@dataclass(frozen=True, slots=True)
class Op:
    """One op. `infer(*types, **attrs)` gives the result type or raises GraphError.

    Exactly one of `evaluate(*arrays, result_type, **attrs)` (primitive) and
    `decompose(builder, *values, **attrs) -> Value` (composite) is set.
    """

    name: str
    doc: str
    infer: InferFn
    evaluate: Callable[..., Any] | None = None
    decompose: Callable[..., Any] | None = None

    @property
    def is_composite(self) -> bool:
        """True when the meaning is a decomposition."""
        return self.decompose is not None


OPS: dict[str, Op] = {}


def _declare(op: Op) -> None:
    if op.name in OPS:
        raise ValueError(f"op {op.name!r} is declared twice")
    OPS[op.name] = op


def primitive(infer: InferFn) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a primitive: the decorated function is its NumPy meaning and gives name and doc."""

    def decorate(evaluate: Callable[..., Any]) -> Callable[..., Any]:
        name = evaluate.__name__.rstrip("_")
        _declare(Op(name, inspect.getdoc(evaluate) or "", infer, evaluate=evaluate))
        return evaluate

    return decorate


def composite(infer: InferFn) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a composite: the decorated function builds its decomposition."""

    def decorate(decompose: Callable[..., Any]) -> Callable[..., Any]:
        name = decompose.__name__.rstrip("_")
        _declare(Op(name, inspect.getdoc(decompose) or "", infer, decompose=decompose))
        return decompose

    return decorate


def op(name: str) -> Op:
    """Look an op up by name; an unknown name lists the valid ones."""
    return OPS[choose("op", name, OPS)]
