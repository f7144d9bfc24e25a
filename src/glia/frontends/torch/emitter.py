"""What an aten rule sees: typed helpers over GraphBuilder, for the one fx node that it translates.

PyTorch broadcasts, promotes and takes Python numbers; the graph's ops do none of that, so the
helpers here write it out. `out` is what PyTorch says the result is: the truth about its format.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from glia.core.dtypes import DType, dtype
from glia.frontends.torch.tensors import promoted, to_numpy, torch_dtype
from glia.graph.builder import GraphBuilder
from glia.graph.ir import TensorType, Value

Operand = Value | bool | int | float


class ArgumentUnsupported(Exception):
    """Raised by a rule when the op is known but not with these arguments; says what would be."""


class Shelf:
    """The constants of the graph under construction, so that equal ones are shared."""

    def __init__(self, builder: GraphBuilder) -> None:
        self.builder = builder
        self.data: dict[Value, np.ndarray] = {}
        self._scalars: dict[tuple[str, str], Value] = {}

    def add(self, name: str, data: np.ndarray) -> Value:
        """A constant of this name (or a fresh one like it)."""
        value = self.builder.constant(name, data)
        self.data[value] = data
        return value

    def scalar(self, number: bool | int | float, format: DType) -> Value:
        """A constant without dims, rounded to `format` as PyTorch rounds it."""
        key = (repr(number), format.name)
        if key not in self._scalars:
            data = to_numpy(torch.full((), number, dtype=torch_dtype(format)))
            self._scalars[key] = self.add("scalar", data)
        return self._scalars[key]


class Emitter:
    """Emits the graph nodes of one fx node; their names start with the fx node's."""

    def __init__(self, shelf: Shelf, name: str, out: Any) -> None:
        self.shelf = shelf
        self.name = name
        self._out = out

    @property
    def out(self) -> TensorType:
        """The type that PyTorch gives the (only) result."""
        assert isinstance(self._out, TensorType), f"{self.name} has several results"
        return self._out

    def emit(self, op: str, *operands: Value, **attrs: Any) -> Value:
        """Add one graph node."""
        return self.shelf.builder.emit(op, *operands, name=f"{self.name}.{op}", **attrs)

    def constant(self, role: str, data: np.ndarray) -> Value:
        """Add a constant that belongs to this node."""
        return self.shelf.add(f"{self.name}.{role}", data)

    def known(self, value: Value) -> np.ndarray | None:
        """The data of a value that does not depend on the model's inputs, if it is such a one."""
        return self.shelf.data.get(value)

    def full(self, number: bool | int | float, shape: Sequence[int], format: DType) -> Value:
        """A tensor filled with one number."""
        return self.broadcast(self.shelf.scalar(number, format), shape)

    def convert(self, x: Value, format: DType | str) -> Value:
        """Change the number format; nothing when it is that already."""
        target = dtype(format)
        return x if x.type.dtype == target else self.emit("convert", x, dtype=target.name)

    def reshape(self, x: Value, shape: Sequence[int]) -> Value:
        """Change the shape; one size may be -1; nothing when it is that already."""
        sizes = tuple(int(n) for n in shape)
        if -1 in sizes:
            rest = math.prod(n for n in sizes if n != -1)
            sizes = tuple(x.type.num_elements // max(rest, 1) if n == -1 else n for n in sizes)
        return x if x.type.shape == sizes else self.emit("reshape", x, shape=sizes)

    def transpose(self, x: Value, permutation: Sequence[int]) -> Value:
        """Permute the dims; nothing when they are in order."""
        order = tuple(p % x.type.rank for p in permutation)
        if order == tuple(range(x.type.rank)):
            return x
        return self.emit("transpose", x, permutation=order)

    def broadcast(self, x: Value, shape: Sequence[int]) -> Value:
        """Repeat `x` to `shape` by NumPy's rule (aligned at the last dim)."""
        target = tuple(int(n) for n in shape)
        if x.type.shape == target:
            return x
        dims = tuple(range(len(target) - x.type.rank, len(target)))
        return self.emit("broadcast_in_dim", x, shape=target, broadcast_dimensions=dims)

    def slice(self, x: Value, dim: int, start: int, stop: int, step: int = 1) -> Value:
        """`x[..., start:stop:step, ...]` with in-range, non-negative bounds."""
        shape = x.type.shape
        if (start, stop, step) == (0, shape[dim], 1):
            return x
        starts = tuple(start if d == dim else 0 for d in range(len(shape)))
        limits = tuple(stop if d == dim else n for d, n in enumerate(shape))
        strides = tuple(step if d == dim else 1 for d in range(len(shape)))
        return self.emit("slice", x, start_indices=starts, limit_indices=limits, strides=strides)

    def operand(self, x: Operand, format: DType, shape: Sequence[int]) -> Value:
        """A value or a number as a tensor of this format and shape."""
        if not isinstance(x, Value):
            return self.full(x, shape, format)
        return self.broadcast(self.convert(x, format), shape)

    def binary(self, op: str, x: Operand, y: Operand, format: DType | None = None) -> Value:
        """An elementwise op of two operands, after promotion (or in `format`) and broadcasting."""
        format = promoted(x, y) if format is None else format
        shape = common_shape(x, y)
        return self.emit(op, self.operand(x, format, shape), self.operand(y, format, shape))

    def compare(self, direction: str, x: Operand, y: Operand) -> Value:
        """An elementwise comparison after promotion and broadcasting; the result is bool."""
        format, shape = promoted(x, y), common_shape(x, y)
        left, right = self.operand(x, format, shape), self.operand(y, format, shape)
        return self.emit("compare", left, right, direction=direction)

    def select(self, condition: Value, x: Operand, y: Operand, format: DType) -> Value:
        """`x` where the condition holds, else `y`, all broadcast together."""
        shape = common_shape(condition, x, y)
        picked = self.broadcast(self.convert(condition, "bool"), shape)
        left, right = self.operand(x, format, shape), self.operand(y, format, shape)
        return self.emit("select", picked, left, right)

    def reduce(self, kind: str, x: Value, dims: Sequence[int], keepdim: bool = False) -> Value:
        """Reduce over `dims` (all when empty); kept dims have size 1."""
        rank = x.type.rank
        over = tuple(sorted(d % rank for d in dims)) if dims else tuple(range(rank))
        if not over:
            return x
        result = self.emit("reduce", x, dimensions=over, kind=kind)
        kept = tuple(1 if d in over else n for d, n in enumerate(x.type.shape))
        return self.reshape(result, kept) if keepdim else result

    def iota(self, shape: Sequence[int], dim: int, format: DType | str = "int64") -> Value:
        """Counts 0, 1, 2, ... along `dim`."""
        return self.emit("iota", shape=tuple(shape), dimension=dim, dtype=dtype(format).name)


def common_shape(*operands: Operand) -> tuple[int, ...]:
    """The shape to which PyTorch broadcasts the operands."""
    return np.broadcast_shapes(*(o.type.shape for o in operands if isinstance(o, Value)))
