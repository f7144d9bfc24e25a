"""The tensor graph: values, nodes, and the immutable graph of them.

A node applies one op to positional operands (values) with static attributes (keywords) and has one
result. Nodes stand in topological order. A graph never changes; passes build a new one with
`GraphBuilder`. Every node keeps the user's source line and the module path (`layer`) it came from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from glia.core.dtypes import DType
from glia.core.errors import GliaError
from glia.core.records import SourceLine


class GraphError(GliaError, ValueError):
    """A graph, or a node being added to one, breaks a rule."""


def place_text(layer: str, source: SourceLine | None) -> str:
    """`layer @ file:line`, or as much of it as is known."""
    return " @ ".join(str(part) for part in (layer, source) if part)


@dataclass(frozen=True, slots=True)
class TensorType:
    """Shape and number format, e.g. `float32[8,128]`."""

    shape: tuple[int, ...]
    dtype: DType

    @property
    def rank(self) -> int:
        """Number of dims."""
        return len(self.shape)

    @property
    def num_elements(self) -> int:
        """Product of the shape."""
        return math.prod(self.shape)

    @property
    def num_bytes(self) -> int:
        """Bytes of a dense tensor of this type."""
        return self.num_elements * self.dtype.itemsize

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor in a graph; the name is unique in its graph and survives passes where it can."""

    name: str
    type: TensorType

    def __str__(self) -> str:
        return f"%{self.name}"


@dataclass(frozen=True, slots=True)
class Node:
    """`result = op(*operands, **attrs)`."""

    op: str
    operands: tuple[Value, ...]
    result: Value
    attrs: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    source: SourceLine | None = None
    layer: str = ""

    @property
    def place(self) -> str:
        """Where the node comes from, for messages; see `place_text`."""
        return place_text(self.layer, self.source)


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A function on tensors. `constants` (weights, tables) are values with their data.

    Compared and hashed by identity; to compare two graphs, compare their text (`print_graph`).
    """

    name: str
    inputs: tuple[Value, ...]
    constants: Mapping[Value, np.ndarray]
    nodes: tuple[Node, ...]
    outputs: tuple[Value, ...]

    def producers(self) -> dict[Value, Node]:
        """The node that makes each value."""
        return {node.result: node for node in self.nodes}

    def consumers(self) -> dict[Value, list[Node]]:
        """The nodes that read each value, in program order, each once."""
        readers: dict[Value, list[Node]] = {}
        for node in self.nodes:
            for operand in dict.fromkeys(node.operands):
                readers.setdefault(operand, []).append(node)
        return readers
