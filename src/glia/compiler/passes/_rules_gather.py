"""A gather that needs no indices: from equal elements, or by constant indices in even steps.

Even steps make it a slice, seen broadcast. The test is on the flat offsets that the gather reads:
`offset = base + sum of stride[d] * i[d]`, and each dim of the result with a stride must step along
one dim of the operand.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from glia.compiler.passes._rewriter import Rewriter, Rule
from glia.core.dtypes import dtype
from glia.graph.evaluate import evaluate_node
from glia.graph.ir import Node, TensorType, Value

_MAX_OFFSETS = 1 << 24


@dataclass(frozen=True, slots=True)
class _Walk:
    """One dim of the result (`dim`, `size`) stepping `step` along one dim of the operand."""

    source_dim: int
    dim: int
    size: int
    step: int


def affine_gather(rw: Rewriter, node: Node) -> Value | None:
    """Replace the gather by slice, reshape and broadcast, where its offsets allow."""
    source, indices = node.operands[0], rw.known(node.operands[1])
    count = max(source.type.num_elements, node.result.type.num_elements)
    if indices is None or not 0 < node.result.type.num_elements <= count <= _MAX_OFFSETS:
        return None
    offsets = _offsets(node, indices)
    if np.array_equal(offsets.reshape(-1), np.arange(source.type.num_elements)):
        return rw.replace(node, "reshape", source, shape=node.result.type.shape)
    strides = _affine_strides(offsets)
    if strides is None:
        return None
    starts = [int(i) for i in np.unravel_index(int(offsets.flat[0]), source.type.shape)]
    walks = _assign(strides, offsets.shape, source.type.shape, starts)
    return None if walks is None else _as_slice(rw, node, starts, walks)


def _offsets(node: Node, indices: np.ndarray) -> np.ndarray:
    """The flat position in the operand of each element of the result."""
    source, start_indices = node.operands
    int64 = dtype("int64")
    positions = np.arange(source.type.num_elements).reshape(source.type.shape)
    as_positions = Node(
        node.op,
        (Value(source.name, TensorType(source.type.shape, int64)), start_indices),
        Value(node.result.name, TensorType(node.result.type.shape, int64)),
        node.attrs,
    )
    return evaluate_node(as_positions, (positions, indices), "native")


def _affine_strides(offsets: np.ndarray) -> list[int] | None:
    base, strides = offsets.flat[0], []
    predicted = np.full(offsets.shape, base)
    for dim, size in enumerate(offsets.shape):
        second = tuple(int(d == dim) for d in range(offsets.ndim))
        stride = int(offsets[second] - base) if size > 1 else 0
        steps = np.arange(size) * stride
        predicted = predicted + steps.reshape([-1 if d == dim else 1 for d in range(offsets.ndim)])
        strides.append(stride)
    return strides if np.array_equal(predicted, offsets) else None


def _assign(
    strides: list[int], sizes: tuple[int, ...], source: tuple[int, ...], starts: list[int]
) -> list[_Walk] | None:
    """The operand dim that each moving dim walks along, in the operand's order."""
    free = [d for d, size in enumerate(source) if size > 1]
    walks = []
    for dim, (stride, size) in enumerate(zip(strides, sizes, strict=True)):
        if stride == 0:
            continue
        walk = next(
            (w for d in free if (w := _walk(d, dim, size, stride, source, starts)) is not None),
            None,
        )
        if walk is None:
            return None
        free.remove(walk.source_dim)
        walks.append(walk)
    return sorted(walks, key=lambda w: w.source_dim)


def _walk(
    source_dim: int, dim: int, size: int, stride: int, source: tuple[int, ...], starts: list[int]
) -> _Walk | None:
    unit = int(np.prod(source[source_dim + 1 :], dtype=np.int64))
    step, rest = divmod(stride, unit)
    last = starts[source_dim] + (size - 1) * step
    fits = rest == 0 and step > 0 and last < source[source_dim]
    return _Walk(source_dim, dim, size, step) if fits else None


def _as_slice(rw: Rewriter, node: Node, starts: list[int], walks: list[_Walk]) -> Value:
    by_dim = {w.source_dim: w for w in walks}
    lengths = [(by_dim[d].size - 1) * by_dim[d].step + 1 if d in by_dim else 1
               for d in range(len(starts))]  # fmt: skip
    part = rw.emit(
        "slice",
        node.operands[0],
        hint=f"{node.result.name}.part",
        start_indices=tuple(starts),
        limit_indices=tuple(s + n for s, n in zip(starts, lengths, strict=True)),
        strides=tuple(by_dim[d].step if d in by_dim else 1 for d in range(len(starts))),
    )
    core = rw.emit(
        "reshape", part, hint=f"{node.result.name}.core", shape=tuple(w.size for w in walks)
    )
    return rw.replace(
        node,
        "broadcast_in_dim",
        core,
        shape=node.result.type.shape,
        broadcast_dimensions=tuple(w.dim for w in walks),
    )


def gather_of_splat(rw: Rewriter, node: Node) -> Value | None:
    """Whatever is gathered from equal elements is that element."""
    number = rw.splat(node.operands[0])
    if number is None:
        return None
    scalar = rw.helper_constant(f"{node.result.name}.once", np.array(number))
    return rw.replace(
        node, "broadcast_in_dim", scalar, shape=node.result.type.shape, broadcast_dimensions=()
    )


RULES: dict[str, tuple[Rule, ...]] = {"gather": (gather_of_splat, affine_gather)}
