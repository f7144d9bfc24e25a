"""Gathers: rows of a table by DMA; everything else becomes rows of a flat table first."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from glia.compiler.codegen import generate
from glia.compiler.lowering.context import Lowering, lowers
from glia.compiler.view import View
from glia.core.dtypes import dtype
from glia.graph.builder import GraphBuilder
from glia.graph.evaluate import evaluate_node
from glia.graph.ir import Graph, Node, TensorType, Value
from glia.kernels.embedding import embedding as embedding_kernel


@lowers("embedding")
def embedding(lowering: Lowering, node: Node) -> None:
    """table[V, H] by ids of any shape."""
    table, ids = node.operands
    places = {
        "table": lowering.dense(lowering.view(table), node.result.name),
        "ids": lowering.reshaped(lowering.view(ids), (ids.type.num_elements,), node.result.name),
    }
    lowering.run(node, embedding_kernel, places)


@lowers("gather")
def gather(lowering: Lowering, node: Node) -> None:
    """By constants: runs of elements. At run time: a kernel computes the number of each row.

    The dims from the last indexed one on, as far as slices take them whole, form the rows.
    """
    operand, indices = node.operands
    if lowering.data(indices) is not None:
        gather_by_meaning(lowering, node)
        return
    name, width = node.result.name, _row_size(node)
    table = lowering.dense(lowering.view(operand), name)
    flat = table.reshape((operand.type.num_elements // width, width))
    assert flat is not None
    body, views = _row_numbers(lowering, node, width)
    made = generate(body, views)
    lowering.sources[f"{made.name}.py"] = made.source
    tensors = {f"x{i}": view for i, view in enumerate(made.operands)}
    numbers = lowering.launch(made.kernel, tensors, f"{name}.rows")
    ids = numbers.reshape((numbers.num_elements,))
    natural = _natural_order(node)
    shape = [node.result.type.shape[d] for d in natural]
    back = [natural.index(d) for d in range(len(natural))]
    lowering.run(node, embedding_kernel, {"table": flat, "ids": ids}, shape=shape, permute=back)


def _natural_order(node: Node) -> tuple[int, ...]:
    """The result's dims: first of the indices, then of the operand."""
    offset_dims = tuple(node.attrs["offset_dims"])
    batch_dims = (d for d in range(node.result.type.rank) if d not in offset_dims)
    return (*batch_dims, *offset_dims)


def _whole_dims(node: Node) -> int:
    """How many trailing dims of the operand are not indexed and taken whole."""
    shape, a = node.operands[0].type.shape, node.attrs
    count = 0
    for d in reversed(range(len(shape))):
        if d in a["start_index_map"] or a["slice_sizes"][d] != shape[d]:
            break
        count += 1
    return count


def _row_size(node: Node) -> int:
    shape = node.operands[0].type.shape
    return math.prod(shape[len(shape) - _whole_dims(node) :])


def _row_numbers(lowering: Lowering, node: Node, width: int) -> tuple[Graph, list[View]]:
    """The body that computes, for each row of the result, its number in the table.

    sum over indexed dims of clamp(index, 0, size - slice) * stride, plus where in the slice.
    """
    operand, indices = node.operands[0].type, node.operands[1].type
    a, int32 = node.attrs, dtype("int32")
    parts, shape = _slice_positions(node, width)
    batch = tuple(s for d, s in enumerate(indices.shape) if d != a["index_vector_dim"])
    whole = TensorType((*batch, *shape), int32)
    builder = GraphBuilder(f"{node.result.name}.rows")
    spread: dict[str, Any] = {
        "shape": whole.shape,
        "broadcast_dimensions": tuple(range(len(batch))),
    }

    def number(value: int) -> Value:
        made = builder.constant("n", np.array(value, np.int32))
        return builder.emit("broadcast_in_dim", made, shape=whole.shape, broadcast_dimensions=())

    views, total = [], number(0)
    for i, d in enumerate(a["start_index_map"]):
        view = _component(lowering, node, i)
        index = builder.input(f"index{i}", TensorType(batch, indices.dtype))
        views.append(view)
        value = builder.emit("broadcast_in_dim", index, **spread)
        if indices.dtype != int32:
            value = builder.emit("convert", value, dtype="int32")
        limit = operand.shape[d] - a["slice_sizes"][d]
        value = builder.emit("clamp", number(0), value, number(limit))
        stride = math.prod(operand.shape[d + 1 :]) // width
        total = builder.emit("add", total, builder.emit("multiply", value, number(stride)))
    if parts.size > 1:
        place = builder.input("place", TensorType(parts.shape, int32))
        views.append(lowering.constant(f"{node.result.name}.place", parts))
        dims = tuple(range(len(batch), len(whole.shape)))
        spread_place = builder.emit(
            "broadcast_in_dim", place, shape=whole.shape, broadcast_dimensions=dims
        )
        total = builder.emit("add", total, spread_place)
    return builder.finish([total]), views


def _component(lowering: Lowering, node: Node, i: int) -> View:
    """The i-th coordinate of every index: a view without the index vector dim."""
    view, dim = lowering.view(node.operands[1]), node.attrs["index_vector_dim"]
    if dim == len(view.shape):
        return view
    starts = [i if d == dim else 0 for d in range(len(view.shape))]
    limits = [i + 1 if d == dim else size for d, size in enumerate(view.shape)]
    part = view.slice(starts, limits, [1] * len(starts))
    kept = [d for d in range(len(part.shape)) if d != dim]
    return part.permute(kept)


def _slice_positions(node: Node, width: int) -> tuple[np.ndarray, tuple[int, ...]]:
    """Number of each row inside a slice that starts at the origin; and that table's shape."""
    shape, a = node.operands[0].type.shape, node.attrs
    leading = len(shape) - _whole_dims(node)
    sizes = a["slice_sizes"][:leading]
    rows = np.zeros(sizes, np.int32)
    for d, size in enumerate(sizes):
        stride = math.prod(shape[d + 1 :]) // width
        steps = np.arange(size, dtype=np.int32) * stride
        rows += steps.reshape([-1 if e == d else 1 for e in range(leading)])
    kept = tuple(s for d, s in enumerate(sizes) if d not in a["collapsed_slice_dims"])
    return rows.reshape(kept), kept


def gather_by_meaning(lowering: Lowering, node: Node) -> None:
    """Any node that only moves elements of its first operand, by constants.

    The op's own meaning says where each element comes from; then runs of elements are fetched.
    """
    operand, name = node.operands[0], node.result.name
    source = _flat_sources(lowering, node)
    run = _run_length(source, operand.type.num_elements)
    rows = (source.reshape(-1, run)[:, 0] // run).astype(np.int32)
    table = lowering.dense(lowering.view(operand), name)
    flat = table.reshape((operand.type.num_elements // run, run))
    assert flat is not None
    ids = lowering.constant(f"{name}.rows", rows)
    lowering.run(node, embedding_kernel, {"table": flat, "ids": ids})


def _flat_sources(lowering: Lowering, node: Node) -> np.ndarray:
    """For each element of the result, the flat position in the first operand."""
    operand, *rest = node.operands
    numbers = np.arange(operand.type.num_elements, dtype=np.int64).reshape(operand.type.shape)
    wide = dtype("int64")
    stand_in = Node(
        node.op,
        (Value(operand.name, TensorType(operand.type.shape, wide)), *rest),
        Value(node.result.name, TensorType(node.result.type.shape, wide)),
        node.attrs,
    )
    arrays = (numbers, *(lowering.graph.constants[value] for value in rest))
    return evaluate_node(stand_in, arrays, "native").reshape(-1)


def _run_length(source: np.ndarray, total: int) -> int:
    """The longest run that divides everything and is contiguous and aligned in the operand."""
    limit = math.gcd(source.size, total)
    for run in sorted((d for d in range(1, min(limit, 4096) + 1) if limit % d == 0), reverse=True):
        blocks = source.reshape(-1, run)
        aligned = (blocks[:, 0] % run == 0).all()
        if aligned and (blocks == blocks[:, :1] + np.arange(run)).all():
            return run
    return 1
