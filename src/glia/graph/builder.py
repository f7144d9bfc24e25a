"""Builds a Graph node by node; every node is type-checked by its op's shape rule as it is added."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import numpy as np

from glia.core.dtypes import dtype
from glia.core.records import SourceLine
from glia.graph.ir import Graph, GraphError, Node, TensorType, Value, place_text
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
        self._promised: set[str] = set()
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

    def reserve(self, names: Iterable[str]) -> None:
        """Promise these names: each goes to the first value added under exactly that name."""
        self._promised.update(set(names) - self._names)
        self._names.update(self._promised)

    def fresh(self, hint: str) -> str:
        """A name that is not taken, promised to the caller: `hint`, or `hint.1`, `hint.2`, ..."""
        name, count = hint, 0
        while name in self._names:
            count += 1
            name = f"{hint}.{count}"
        self._names.add(name)
        self._promised.add(name)
        return name

    def _claim(self, name: str) -> str:
        """The name of a value being added: `name` itself when it is promised or free."""
        claimed = name if name in self._promised else self.fresh(name)
        self._promised.discard(claimed)
        return claimed

    def input(self, name: str, type: TensorType) -> Value:
        """Declare the next input."""
        value = Value(self._claim(name), type)
        self._inputs.append(value)
        return value

    def constant(self, name: str, data: np.ndarray) -> Value:
        """Add a tensor known at compile time (a weight, a table); the data is not copied."""
        value = Value(self._claim(name), TensorType(tuple(data.shape), dtype(data.dtype)))
        self._constants[value] = data
        return value

    def emit(self, op: str, *operands: Value, name: str | None = None, **attrs: Any) -> Value:
        """Add `op(*operands, **attrs)`; returns its result.

        It is called `name`, or like it when that is taken, or like the op when none is given.

        Raises:
            GraphError: the op's shape rule refuses the call; names the user's line.
        """
        try:
            result_type = find_op(op).infer(*(o.type for o in operands), **attrs)
        except GraphError as error:
            place = place_text(self._layer, self._source)
            raise GraphError(f"{place}: {error}" if place else str(error)) from None
        result = Value(self._claim(name or self.fresh(op)), result_type)
        node = Node(op, operands, result, MappingProxyType(attrs), self._source, self._layer)
        self._nodes.append(node)
        return result

    def inline(self, graph: Graph, operands: Sequence[Value]) -> tuple[Value, ...]:
        """Add what `graph` computes, its inputs replaced by `operands`; returns its outputs.

        A node of it that does not say where it comes from gets the place set with `at`.
        """
        new = dict(zip(graph.inputs, operands, strict=True))
        for value, data in graph.constants.items():
            new[value] = self.constant(self.fresh(value.name), data)
        for node in graph.nodes:
            with self.at(node.source or self._source, node.layer or self._layer):
                read = (new[o] for o in node.operands)
                name = self.fresh(node.result.name)
                new[node.result] = self.emit(node.op, *read, name=name, **node.attrs)
        return tuple(new[value] for value in graph.outputs)

    def finish(self, outputs: Iterable[Value]) -> Graph:
        """The graph of what was added so far."""
        return Graph(
            self.name,
            tuple(self._inputs),
            MappingProxyType(dict(self._constants)),
            tuple(self._nodes),
            tuple(outputs),
        )
