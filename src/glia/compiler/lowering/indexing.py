"""Gathers: rows of a table by DMA; everything else becomes rows of a flat table first."""

from __future__ import annotations

import math

import numpy as np

from glia.compiler.lowering.context import Lowering, lowers
from glia.core.dtypes import dtype
from glia.core.errors import UnsupportedError
from glia.graph.evaluate import evaluate_node
from glia.graph.ir import Node, TensorType, Value
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
    """Whole slices along one dim, or any gather whose indices are constants."""
    if lowering.data(node.operands[1]) is not None:
        gather_by_meaning(lowering, node)
    elif _is_row_gather(node):
        _row_gather(lowering, node)
    else:
        raise UnsupportedError(
            f"gather at {node.source or node.layer}: got run-time indices into "
            f"{len(node.attrs['start_index_map'])} dims, expected indices into one dim; use "
            "index_select or torch.nn.functional.embedding"
        )


def _is_row_gather(node: Node) -> bool:
    a, operand = node.attrs, node.operands[0].type
    if len(a["start_index_map"]) != 1 or tuple(a["collapsed_slice_dims"]) != tuple(
        a["start_index_map"]
    ):
        return False
    dim = a["start_index_map"][0]
    return all(
        size == (1 if d == dim else operand.shape[d]) for d, size in enumerate(a["slice_sizes"])
    )


def _row_gather(lowering: Lowering, node: Node) -> None:
    operand, indices = node.operands
    a, name = node.attrs, node.result.name
    dim, rank = a["start_index_map"][0], operand.type.rank
    order = (dim, *(d for d in range(rank) if d != dim))
    table = lowering.view(operand).permute(order)
    width = math.prod(table.shape[1:])
    flat = lowering.dense(lowering.reshaped(table, (table.shape[0], width), name), name)
    ids = lowering.reshaped(lowering.view(indices), (indices.type.num_elements,), name)
    batch = [s for d, s in enumerate(indices.type.shape) if d != a["index_vector_dim"]]
    offset_dims = tuple(a["offset_dims"])
    batch_dims = [d for d in range(len(node.result.type.shape)) if d not in offset_dims]
    natural = (*batch_dims, *offset_dims)
    back = tuple(natural.index(d) for d in range(len(natural)))
    lowering.run(
        node,
        embedding_kernel,
        {"table": flat, "ids": ids},
        shape=(*batch, *table.shape[1:]),
        permute=back,
    )


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
