"""What each node of a graph has to do: operations, bytes, kernels, each as a low-to-high triple.

A composite's operations are those of its decomposition, so there is no second table of meanings.
Bytes and kernels depend on what is fused, hence three readings: everything that can be fused is
(only weights, inputs and outputs move); every node is one kernel; contractions are split from what
surrounds them and their results make the round trip through memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import glia.graph.ops  # noqa: F401  (declares the ops)
from glia.graph.builder import GraphBuilder
from glia.graph.ir import Graph, Node, TensorType, Value
from glia.graph.op import op as find_op

Triple = tuple[float, float, float]

# Operations that only rename elements: no kernel, no bytes.
_VIEWS = frozenset({"reshape", "broadcast_in_dim", "slice"})
# Views that store fewer bytes than their shape says, or the same ones.
_ALIASES = frozenset({"reshape", "broadcast_in_dim"})
# Operations that move elements without arithmetic.
_MOVES = _VIEWS | {"transpose", "concatenate", "pad", "reverse", "convert", "iota", "gather"}
# Operations that read only the rows of operand 0 that they return.
_LOOKUPS = frozenset({"gather", "embedding"})


@dataclass(frozen=True, slots=True)
class OpWork:
    """One node: operations, and (all fused, one kernel, split) bytes and kernel counts."""

    node: Node
    matmul_flops: int
    vector_flops: int
    bytes: Triple
    kernels: Triple


def measure(graph: Graph, float_bytes: int) -> tuple[OpWork, ...]:
    """The work of every node, floats stored in `float_bytes` bytes each."""
    reader = _Reader(graph, float_bytes)
    return tuple(reader.work(node) for node in graph.nodes)


def primitives(node: Node) -> tuple[Node, ...]:
    """The primitive nodes that a node means: itself, or its decomposition to the bottom."""
    op = find_op(node.op)
    if op.decompose is None:
        return (node,)
    builder = GraphBuilder(node.op)
    operands = [builder.input(f"operand.{i}", v.type) for i, v in enumerate(node.operands)]
    body = builder.finish([op.decompose(builder, *operands, **node.attrs)])
    return tuple(inner for part in body.nodes for inner in primitives(part))


def matmul_flops(node: Node) -> int:
    """Multiplications and additions of one primitive's products: 2 M N K of a `dot_general`."""
    if node.op != "dot_general":
        return 0
    lhs = node.operands[0].type.shape
    contracted = math.prod(lhs[d] for d in node.attrs["lhs_contracting_dimensions"])
    return 2 * node.result.type.num_elements * contracted


def vector_flops(node: Node) -> int:
    """Elementwise operations of one primitive: one per result, per operand for a reduction."""
    if node.op in _MOVES or node.op == "dot_general":
        return 0
    if node.op in ("reduce", "cumsum"):
        return node.operands[0].type.num_elements
    return node.result.type.num_elements


def count_flops(graph: Graph) -> int:
    """Multiplications and additions of all matrix products of a graph."""
    return sum(matmul_flops(part) for node in graph.nodes for part in primitives(node))


class _Reader:
    """Walks a graph once; remembers which weights and inputs were already read."""

    def __init__(self, graph: Graph, float_bytes: int) -> None:
        self._float_bytes = float_bytes
        self._producers = graph.producers()
        self._outside = {*graph.inputs, *graph.constants}
        self._outputs = {self._base(value) for value in graph.outputs}
        self._read: set[Value] = set()

    def work(self, node: Node) -> OpWork:
        parts = primitives(node)
        products = [part for part in parts if part.op == "dot_general"]
        return OpWork(
            node,
            sum(map(matmul_flops, parts)),
            sum(map(vector_flops, parts)),
            self._bytes(node, products),
            _kernels(node, products),
        )

    def _bytes(self, node: Node, products: list[Node]) -> Triple:
        if node.op in _VIEWS:
            return (0, 0, 0)
        operands = self._operand_bytes(node)
        result = self._size(node.result.type)
        fresh = sum(size for value, size in operands.items() if self._is_fresh(value))
        fused = fresh + (result if node.result in self._outputs else 0)
        whole = sum(operands.values()) + result
        # A split product's result is written, passed over once in place, and read again.
        inner = [] if node.op == "dot_general" else products
        return fused, whole, whole + 4 * sum(self._size(p.result.type) for p in inner)

    def _operand_bytes(self, node: Node) -> dict[Value, int]:
        sizes = {self._base(v): self._size(self._base(v).type) for v in node.operands}
        if node.op in _LOOKUPS:
            table = self._base(node.operands[0])
            sizes[table] = min(sizes[table], self._size(node.result.type))
        return sizes

    def _is_fresh(self, value: Value) -> bool:
        fresh = value in self._outside and value not in self._read
        self._read.add(value)
        return fresh

    def _base(self, value: Value) -> Value:
        """The value that is really stored, seen through reshapes and broadcasts."""
        node = self._producers.get(value)
        return self._base(node.operands[0]) if node and node.op in _ALIASES else value

    def _size(self, type: TensorType) -> int:
        each = self._float_bytes if type.dtype.is_float else type.dtype.itemsize
        return type.num_elements * each


def _kernels(node: Node, products: list[Node]) -> Triple:
    if node.op in _VIEWS:
        return (0, 0, 0)
    if not products:
        return (0, 1, 1)
    return (1, 1, 1 if node.op == "dot_general" else 1 + 2 * len(products))
