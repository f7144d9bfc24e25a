"""One row of the op table: how to call an op, and an oracle that does not know glia.

An operand's format is fixed, or "T": then the harness crosses it with the row's `dtypes`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from glia.core.dtypes import dtype
from glia.graph import OPS, Node, TensorType, Value

FLOATS = ("float32", "float64", "bfloat16")
NUMBERS = (*FLOATS, "int32")

DISTRIBUTIONS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.normal(0, 2, shape),
    "positive": lambda rng, shape: rng.uniform(0.1, 4, shape),
    "whole": lambda rng, shape: rng.integers(-9, 10, shape),
    "bits": lambda rng, shape: rng.integers(0, 2, shape),
}


@dataclass(frozen=True)
class Operand:
    shape: tuple[int, ...]
    dtype: str = "T"
    dist: str = "normal"
    low: int = 0
    high: int = 0
    given: tuple[float, ...] | None = None

    def draw(self, rng: np.random.Generator, crossed: str) -> np.ndarray:
        """Values that the format holds exactly."""
        target = dtype(crossed if self.dtype == "T" else self.dtype)
        if self.given is not None:
            return np.array(self.given).reshape(self.shape).astype(target.numpy)
        if self.high:
            return rng.integers(self.low, self.high, self.shape).astype(target.numpy)
        dist = {"float": self.dist, "bool": "bits"}.get(target.kind, "whole")
        return DISTRIBUTIONS[dist](rng, self.shape).astype(target.numpy)


def t(*shape: int, dist: str = "normal") -> Operand:
    """An operand of the crossed format."""
    return Operand(shape, dist=dist)


def mask(*shape: int) -> Operand:
    return Operand(shape, "bool")


def ids(*shape: int, low: int = 0, high: int) -> Operand:
    return Operand(shape, "int32", low=low, high=high)


def values(*numbers: float) -> Operand:
    return Operand((len(numbers),), given=numbers)


@dataclass(frozen=True)
class Row:
    """`oracle` gets float64 (or int64, bool) arrays and returns what float64 mode should give."""

    op: str
    operands: tuple[Operand, ...]
    oracle: Callable[..., Any]
    attrs: Mapping[str, Any] | Callable[[str], Mapping[str, Any]] = field(default_factory=dict)
    dtypes: tuple[str, ...] = FLOATS

    def attrs_for(self, crossed: str) -> Mapping[str, Any]:
        return self.attrs(crossed) if callable(self.attrs) else self.attrs

    def case(self, crossed: str) -> tuple[Node, list[np.ndarray]]:
        """The node, typed by its shape rule, and operand arrays."""
        seed = zlib.crc32(f"{self.op} {self.operands} {crossed}".encode())
        arrays = [
            o.draw(np.random.default_rng(seed + i), crossed) for i, o in enumerate(self.operands)
        ]
        types = [TensorType(a.shape, dtype(a.dtype)) for a in arrays]
        attrs = self.attrs_for(crossed)
        result = Value("result", OPS[self.op].infer(*types, **attrs))
        read = tuple(Value(f"x{i}", type) for i, type in enumerate(types))
        return Node(self.op, read, result, attrs), arrays

    def expected(self, arrays: list[np.ndarray]) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.asarray(self.oracle(*map(_exact, arrays)))


def _exact(array: np.ndarray) -> np.ndarray:
    kind = dtype(array.dtype).kind
    return array.astype({"float": np.float64, "int": np.int64, "bool": np.bool_}[kind])


def by_torch(function: Callable[..., torch.Tensor]) -> Callable[..., np.ndarray]:
    """An oracle that computes with torch tensors."""

    def oracle(*arrays: np.ndarray) -> np.ndarray:
        return function(*(torch.from_numpy(np.array(a, order="C")) for a in arrays)).numpy()

    return oracle
