"""Checks that a graph is well formed; runs between all passes.

Every value is defined once, before it is read, under a name of its own; every type is what the
op's shape rule says; constants' data have their type; `fused` bodies are graphs that hold too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from glia.core.dtypes import dtype
from glia.core.errors import UsageError
from glia.graph.ir import Graph, GraphError, Node, Value
from glia.graph.op import op as find_op


def verify(graph: Graph) -> None:
    """Check the whole graph.

    Raises:
        GraphError: the first rule that is broken, with the node and the user's source line.
    """
    defined: dict[str, Value] = {}
    for value in (*graph.inputs, *graph.constants):
        with _naming(graph, f"{value}"):
            _define(defined, value)
    _check_constants(graph)
    for node in graph.nodes:
        with _naming(graph, _describe(node)):
            _check_node(node, defined)
            _define(defined, node.result)
    for value in graph.outputs:
        with _naming(graph, f"output {value}"):
            _check_defined(defined, value)


def _check_node(node: Node, defined: dict[str, Value]) -> None:
    for operand in node.operands:
        _check_defined(defined, operand)
    expected = find_op(node.op).infer(*(o.type for o in node.operands), **node.attrs)
    if node.result.type != expected:
        raise GraphError(
            f"got a result of {node.result.type}, expected {expected}; "
            "give the result the type that the shape rule infers"
        )
    for value in node.attrs.values():
        if isinstance(value, Graph):
            verify(value)


def _check_constants(graph: Graph) -> None:
    for value, data in graph.constants.items():
        with _naming(graph, f"constant {value}"):
            if data.shape != value.type.shape or dtype(data.dtype) != value.type.dtype:
                got = f"data of {data.dtype}{list(data.shape)}"
                raise GraphError(f"got {got}, expected {value.type}; convert the data or the type")


def _define(defined: dict[str, Value], value: Value) -> None:
    if value.name in defined:
        raise GraphError(f"got a second value named {value}, expected unique names; rename one")
    defined[value.name] = value


def _check_defined(defined: dict[str, Value], value: Value) -> None:
    found = defined.get(value.name)
    if found is None:
        raise GraphError(
            f"got {value}, which is not defined before, expected an input, a constant or the "
            "result of an earlier node; put the node that makes it first"
        )
    if found != value:
        raise GraphError(
            f"got {value} of {value.type}, expected {found.type}, with which it is defined; "
            "read the value itself, not a copy of another type"
        )


def _describe(node: Node) -> str:
    call = f"node {node.result} = {node.op}({', '.join(map(str, node.operands))})"
    return f"{call} [{node.place}]" if node.place else call


@contextmanager
def _naming(graph: Graph, what: str) -> Iterator[None]:
    """Failures inside name the graph and `what`."""
    try:
        yield
    except (GraphError, UsageError) as error:
        raise GraphError(f"verifying {graph.name}, {what}: {error}") from None
