"""Random graphs of elementwise, shape, reduce and dot ops, built to contain what passes look for."""

from __future__ import annotations

import numpy as np

from glia.core.dtypes import dtype
from glia.graph.builder import GraphBuilder
from glia.graph.ir import Graph, TensorType, Value

_UNARY = ["abs", "negate", "tanh", "logistic", "sine", "gelu", "silu", "relu", "floor"]
_BINARY = ["add", "subtract", "multiply", "maximum", "minimum"]
_DIRECTIONS = ["EQ", "NE", "LT", "LE", "GT", "GE"]


class RandomGraph:
    """Grows one graph from a seed; floats are all of `float_name`."""

    def __init__(self, seed: int, float_name: str = "float64") -> None:
        self.rng = np.random.default_rng(seed)
        self.float = dtype(float_name)
        self.builder = GraphBuilder("random")
        self.values: list[Value] = []
        self.data: dict[str, np.ndarray] = {}

    def build(self, num_nodes: int) -> tuple[Graph, dict[str, np.ndarray]]:
        """The graph, and data for its inputs."""
        for i in range(2):
            self._input(f"x{i}", self._shape())
        self._input("ids", (3, 4), "int64")
        for _ in range(2):
            self.values.append(self.scalar(float(self.rng.choice([-1.0, 0.5, 2.0]))))
        while len(self.builder._nodes) < num_nodes:
            made = self.pick_step()()
            if made is not None and made.type.num_elements <= 512:
                self.values.append(made)
        outputs = {self.values[-1], self.pick(), self.pick()}
        return self.builder.finish(outputs), self.data

    def pick_step(self):
        steps = [
            self.unary,
            self.binary,
            self.neutral,
            self.compare_select,
            self.logic,
            self.convert,
            self.reshape,
            self.transpose,
            self.transpose,
            self.slice,
            self.broadcast,
            self.broadcast,
            self.gather,
            self.reduce,
            self.linear,
            self.linear,
            self.layer_norm,
            self.constant_table,
            self.concatenate,
        ]
        return steps[self.rng.integers(len(steps))]

    def _shape(self) -> tuple[int, ...]:
        return tuple(int(n) for n in self.rng.choice([1, 2, 3, 4], size=self.rng.integers(1, 4)))

    def _input(self, name: str, shape: tuple[int, ...], kind: str | None = None) -> None:
        if kind is None:
            data = self.rng.standard_normal(shape)
        else:
            data = self.rng.integers(0, 3, shape)
        type = TensorType(shape, self.float if kind is None else dtype(kind))
        value = self.builder.input(name, type)
        self.data[name] = data.astype(type.dtype.numpy)
        self.values.append(value)

    def pick(self, kind: str | None = None) -> Value:
        fitting = [v for v in self.values if kind is None or v.type.dtype.kind == kind]
        return fitting[self.rng.integers(len(fitting))] if fitting else self.scalar(1.5)

    def scalar(self, number: float) -> Value:
        return self.builder.constant("c", np.array(number, self.float.numpy))

    def fit(self, x: Value, type: TensorType) -> Value:
        """Something of `type`: x itself, x broadcast, or a splat."""
        if x.type == type:
            return x
        if x.type.dtype != type.dtype or x.type.rank > type.rank:
            x = self.builder.constant("s", np.array(int(self.rng.integers(0, 2)), type.dtype.numpy))
        dims = tuple(range(type.rank - x.type.rank, type.rank))
        if any(n not in (1, type.shape[d]) for n, d in zip(x.type.shape, dims, strict=True)):
            return self.fit(self.scalar(0.0), type)
        return self.builder.emit(
            "broadcast_in_dim", x, shape=type.shape, broadcast_dimensions=dims
        )

    def unary(self) -> Value:
        return self.builder.emit(str(self.rng.choice(_UNARY)), self.pick("float"))

    def binary(self) -> Value:
        x = self.pick("float")
        y = self.fit(self.pick("float"), x.type)
        pair = (x, y) if self.rng.random() < 0.5 else (y, x)
        return self.builder.emit(str(self.rng.choice(_BINARY)), *pair)

    def neutral(self) -> Value:
        x = self.pick("float" if self.rng.random() < 0.7 else "int")
        op = str(self.rng.choice(["add", "subtract", "multiply"]))
        number = self.rng.choice([0.0, -0.0, 1.0])
        scalar = self.builder.constant("n", np.array(number).astype(x.type.dtype.numpy))
        return self.builder.emit(op, x, self.fit(scalar, x.type))

    def compare_select(self) -> Value:
        x = self.pick("float")
        y = self.fit(self.pick("float"), x.type)
        flag = self.builder.emit("compare", x, y, direction=str(self.rng.choice(_DIRECTIONS)))
        self.values.append(flag)
        if self.rng.random() < 0.3:
            flag = self.builder.emit("not", flag)
        return self.builder.emit("select", flag, x, y)

    def logic(self) -> Value | None:
        flag = self.pick("bool")
        if flag.type.dtype.kind != "bool":
            return None
        if self.rng.random() < 0.3:
            return self.builder.emit("not", flag)
        op = str(self.rng.choice(["and", "or", "xor"]))
        return self.builder.emit(op, flag, self.fit(self.pick("bool"), flag.type))

    def convert(self) -> Value:
        target = str(self.rng.choice([self.float.name, "int64", "bool"]))
        return self.builder.emit("convert", self.pick(), dtype=target)

    def reshape(self) -> Value:
        x = self.pick()
        shape = [n for n in x.type.shape if n > 1]
        choice = self.rng.integers(4)
        if choice == 0:
            shape = [x.type.num_elements]
        elif choice == 1:
            shape.insert(int(self.rng.integers(len(shape) + 1)), 1)
        elif choice == 2:
            shape = list(x.type.shape)
        return self.builder.emit("reshape", x, shape=tuple(shape))

    def transpose(self) -> Value:
        x = self.pick()
        order = tuple(int(d) for d in self.rng.permutation(x.type.rank))
        return self.builder.emit("transpose", x, permutation=order)

    def slice(self) -> Value:
        x = self.pick()
        starts = [int(self.rng.integers(0, n)) for n in x.type.shape]
        limits = [
            int(self.rng.integers(s + 1, n + 1)) for s, n in zip(starts, x.type.shape, strict=True)
        ]
        strides = [int(self.rng.integers(1, 3)) for _ in starts]
        return self.builder.emit(
            "slice",
            x,
            start_indices=tuple(starts),
            limit_indices=tuple(limits),
            strides=tuple(strides),
        )

    def broadcast(self) -> Value:
        x = self.pick()
        front = tuple(int(n) for n in self.rng.choice([1, 2, 3], size=self.rng.integers(0, 3)))
        grown = tuple(
            2 if n == 1 and self.rng.random() < 0.5 else n for n in x.type.shape
        )
        shape = front + grown
        dims = tuple(range(len(front), len(shape)))
        return self.builder.emit("broadcast_in_dim", x, shape=shape, broadcast_dimensions=dims)

    def gather(self) -> Value | None:
        """Element gathers at constant indices, evenly spaced half of the time."""
        x = self.pick()
        if x.type.rank == 0:
            return None
        count = int(self.rng.integers(1, 4))
        columns = []
        for n in x.type.shape:
            even = self.rng.random() < 0.7
            start = int(self.rng.integers(0, n))
            step = int(self.rng.integers(0, 2))
            columns.append(
                np.clip(start + step * np.arange(count), 0, n - 1)
                if even
                else self.rng.integers(0, n, count)
            )
        indices = self.builder.constant("indices", np.stack(columns, -1))
        rank = x.type.rank
        return self.builder.emit(
            "gather",
            x,
            indices,
            offset_dims=(),
            collapsed_slice_dims=tuple(range(rank)),
            start_index_map=tuple(range(rank)),
            index_vector_dim=1,
            slice_sizes=(1,) * rank,
        )

    def reduce(self) -> Value | None:
        x = self.pick("float")
        if x.type.rank == 0:
            return None
        dim = int(self.rng.integers(x.type.rank))
        kind = str(self.rng.choice(["add", "maximum"]))
        return self.builder.emit("reduce", x, dimensions=(dim,), kind=kind)

    def linear(self) -> Value | None:
        x = self.pick("float")
        if x.type.rank == 0:
            return None
        weights = [(3, x.type.shape[-1]), (3,)][: self.rng.integers(1, 3)]
        operands = [
            self.builder.constant("w", self.rng.standard_normal(s).astype(self.float.numpy))
            for s in weights
        ]
        y = self.builder.emit("linear", x, *operands)
        self.values.append(y)
        return self.builder.emit("gelu", y) if self.rng.random() < 0.5 else y

    def layer_norm(self) -> Value | None:
        x = self.pick("float")
        if x.type.rank == 0:
            return None
        x = self.builder.emit("add", x, self.fit(self.pick("float"), x.type))
        ones = np.ones(x.type.shape[-1], self.float.numpy)
        w, b = self.builder.constant("lw", ones), self.builder.constant("lb", ones)
        return self.builder.emit("layer_norm", x, w, b, epsilon=1e-2)

    def constant_table(self) -> Value:
        table = self.builder.emit(
            "iota", shape=self._shape(), dimension=0, dtype=self.float.name
        )
        self.values.append(table)
        return self.builder.emit("multiply", table, self.fit(self.pick("float"), table.type))

    def concatenate(self) -> Value | None:
        x = self.pick()
        if x.type.rank == 0:
            return None
        return self.builder.emit("concatenate", x, x, dimension=int(self.rng.integers(x.type.rank)))
