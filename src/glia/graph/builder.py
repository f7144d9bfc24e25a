"""Builds a Graph node by node; every node is type-checked by its op's shape rule as it is added."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import numpy as np

from glia.core.dtypes import dtype
from glia.core.records import SourceLine
from glia.graph.ir import Graph, Node, TensorType, Value
from glia.graph.op import op as find_op


class GraphBuilder:
    """Mutable while a graph is built; `finish` gives the immutable graph.

    `at(source, layer)` sets where the following nodes come from.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._inputs: list[Value] = []
        self._constants: dict[Value, np.ndarray] = {}
        self._nodes: list[Node] = []
        self._names: set[str] = set()
        self._source: SourceLine | None = None
        self._layer = ""

    @contextmanager
    def at(self, source: SourceLine | None, layer: str) -> Iterator[None]:
        """Nodes added inside carry this source line and module path."""
        saved = self._source, self._layer
        self._source, self._layer = source, layer
        try:
            yield
        finally:
            self._source, self._layer = saved

    def fresh(self, hint: str) -> str:
        """A name that is not taken: `hint`, or `hint.1`, `hint.2`, ..."""
        name, count = hint, 0
        while name in self._names:
            count += 1
            name = f"{hint}.{count}"
        self._names.add(name)
        return name

    def input(self, name: str, type: TensorType) -> Value:
        """Declare the next input."""
        value = Value(self.fresh(name), type)
        self._inputs.append(value)
        return value

    def constant(self, name: str, data: np.ndarray) -> Value:
        """Add a tensor known at compile time (a weight, a table); the data is not copied."""
        value = Value(self.fresh(name), TensorType(tuple(data.shape), dtype(data.dtype)))
        self._constants[value] = data
        return value

    def emit(self, op: str, *operands: Value, name: str | None = None, **attrs: Any) -> Value:
        """Add `op(*operands, **attrs)`; returns its result."""
        result_type = find_op(op).infer(*(o.type for o in operands), **attrs)
        result = Value(self.fresh(name or op), result_type)
        node = Node(op, operands, result, MappingProxyType(attrs), self._source, self._layer)
        self._nodes.append(node)
        return result

    def finish(self, outputs: Iterable[Value]) -> Graph:
        """The graph of what was added so far."""
        return Graph(
            self.name,
            tuple(self._inputs),
            MappingProxyType(dict(self._constants)),
            tuple(self._nodes),
            tuple(outputs),
        )
