"""Changes number formats through a whole graph: inputs, constants, `dtype` attributes, results."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np

from glia.compiler.passes._rewriter import Rewriter, rewrite
from glia.core.dtypes import DType, dtype
from glia.core.errors import UnsupportedError
from glia.graph import rewrite as graph_rewrite
from glia.graph.ir import Graph, Node, TensorType, Value

FormatMap = Callable[[DType], DType]


def retype(graph: Graph, format_of: FormatMap) -> Graph:
    """`graph` with every format replaced by what `format_of` gives for it."""

    def rule(rw: Rewriter, node: Node) -> Value | None:
        attrs = dict(node.attrs)
        if "dtype" in attrs:
            attrs["dtype"] = format_of(dtype(attrs["dtype"])).name
        if "body" in attrs:
            attrs["body"] = retype(attrs["body"], format_of)
        return rw.replace(node, node.op, *node.operands, **attrs)

    def leaf(rw: graph_rewrite.Rewriter, value: Value) -> Value:
        target = format_of(value.type.dtype)
        if value in graph.constants:
            data = convert_data(value.name, graph.constants[value], target)
            return rw.constant(value.name, data)
        return rw.input(value.name, TensorType(value.type.shape, target))

    return rewrite(graph, rule, leaf)


def convert_data(name: str, data: np.ndarray, target: DType) -> np.ndarray:
    """`data` in the format `target`: floats rounded to nearest even, integers checked for range.

    A finite float beyond the target's range becomes its largest finite value of that sign, so that
    the `finfo.min` of a mask does not become infinite.

    Raises:
        UnsupportedError: for an integer that `target` cannot hold; names the constant.
    """
    if data.dtype == target.numpy:
        return data
    if target.is_integer:
        _check_range(name, data, target)
        return data.astype(target.numpy)
    with np.errstate(over="ignore"):
        rounded = data.astype(target.numpy)
    if exceeds(data, target):
        largest = float(ml_dtypes.finfo(target.numpy).max)
        overflowed = np.isinf(rounded) & np.isfinite(data)
        rounded[overflowed] = np.copysign(largest, data[overflowed].astype(np.float64))
    return rounded


def exceeds(data: np.ndarray, target: DType) -> bool:
    """Whether a finite float in `data` lies beyond the largest finite value of `target`."""
    largest = float(ml_dtypes.finfo(target.numpy).max)
    if not data.size or (-largest <= float(data.min()) and float(data.max()) <= largest):
        return False  # without a copy of the data: the case of all weights
    return bool(np.any(np.abs(data[np.isfinite(data)].astype(np.float64)) > largest))


def _check_range(name: str, data: np.ndarray, target: DType) -> None:
    limits = np.iinfo(target.numpy)
    outside = data[(data < limits.min) | (data > limits.max)]
    if outside.size:
        raise UnsupportedError(
            f"storing constant {name!r} as {target}: got the value {outside.flat[0]}, expected "
            f"{limits.min} to {limits.max}; keep indices and counts inside that range"
        )


def input_notes(before: Graph, after: Graph) -> tuple[str, ...]:
    """Which inputs the caller must now give in another format."""
    pairs = zip(before.inputs, after.inputs, strict=True)
    return tuple(
        f"input {old.name} is taken as {new.type.dtype} instead of {old.type.dtype}"
        for old, new in pairs
        if old.type != new.type
    )
