"""What an op is: its name, its shape rule, and its meaning; and the two ways to declare one.

A primitive states its meaning in NumPy. A composite states it as a decomposition into other ops,
and has no second meaning: evaluating it evaluates the decomposition. Arrays are positional,
static attributes are keywords, everywhere.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from glia.core.errors import choose
from glia.graph.ir import Graph, GraphError, TensorType

InferFn = Callable[..., TensorType]


@dataclass(frozen=True, slots=True)
class Op:
    """One op. `infer(*types, **attrs)` gives the result type or raises GraphError.

    Exactly one of `evaluate(*arrays, result_type, **attrs)` (primitive) and
    `decompose(builder, *values, **attrs) -> Value` (composite) is set. `evaluate` never sees a
    float narrower than 32 bits: whoever calls it widens before and rounds once after.
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
        name, doc = evaluate.__name__.rstrip("_"), inspect.getdoc(evaluate) or ""
        _declare(Op(name, doc, _guarded(name, infer), evaluate=evaluate))
        return evaluate

    return decorate


def composite(infer: InferFn) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a composite: the decorated function builds its decomposition."""

    def decorate(decompose: Callable[..., Any]) -> Callable[..., Any]:
        name, doc = decompose.__name__.rstrip("_"), inspect.getdoc(decompose) or ""
        _declare(Op(name, doc, _guarded(name, infer), decompose=decompose))
        return decompose

    return decorate


def op(name: str) -> Op:
    """Look an op up by name; an unknown name lists the valid ones."""
    return OPS[choose("op", name, OPS)]


def require(condition: bool, got: object, expected: str, do: str) -> None:
    """Shape rules state their demands with this.

    Raises:
        GraphError: `got X, expected Y; do Z`, to which the op and its operands are prefixed.
    """
    if not condition:
        raise GraphError(f"got {got}, expected {expected}; {do}")


def is_static(value: object) -> bool:
    """True for what an attribute may be: None, bool, int, float, str, Graph, tuples of these."""
    if type(value) is tuple:
        return all(is_static(item) for item in value)
    return value is None or type(value) in (bool, int, float, str, Graph)


def _guarded(name: str, rule: InferFn) -> InferFn:
    """The shape rule, with every failure named after the op, its operands and attributes."""
    signature = inspect.signature(rule)

    def infer(*types: TensorType, **attrs: Any) -> TensorType:
        try:
            _check_call(signature, types, attrs)
            return rule(*types, **attrs)
        except GraphError as error:
            raise GraphError(f"{_call_text(name, types, attrs)}: {error}") from None

    return infer


def _check_call(
    signature: inspect.Signature, types: Iterable[TensorType], attrs: Mapping[str, Any]
) -> None:
    for key, value in attrs.items():
        expected = "None, bool, int, float, str, Graph or a tuple of these"
        got = f"{key}={value!r} of type {type(value).__name__}"
        require(is_static(value), got, expected, "convert it")
    try:
        signature.bind(*types, **attrs)
    except TypeError as error:
        takes = str(signature).split(" ->")[0].replace("'", "")
        raise GraphError(f"got a call with {error}, expected {takes}; correct the call") from None


def _call_text(name: str, types: Iterable[TensorType], attrs: Mapping[str, Any]) -> str:
    texts = [f"{k}={v.name if isinstance(v, Graph) else v!r}" for k, v in attrs.items()]
    return f"{name}({', '.join([*map(str, types), *texts])})"
