"""Random graphs of elementwise, shape, reduce and dot ops, with much that passes look for."""

from __future__ import annotations

import math

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
        others = [self.values[i] for i in self.rng.integers(len(self.values), size=5)]
        return self.builder.finish(dict.fromkeys([self.values[-1], *others])), self.data

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
            self.power,
            self.flag_as_number,
            self.spelled_gelu,
            self.eager_attention,
            self.twice,
        ]
        return steps[self.rng.integers(len(steps))]

    def _shape(self) -> tuple[int, ...]:
        return tuple(int(n) for n in self.rng.choice([1, 2, 3, 4], size=self.rng.integers(1, 4)))

    def _input(self, name: str, shape: tuple[int, ...], kind: str | None = None) -> None:
        ints = kind is not None
        data = self.rng.integers(0, 3, shape) if ints else self.rng.standard_normal(shape)
        type = TensorType(shape, self.float if kind is None else dtype(kind))
        value = self.builder.input(name, type)
        self.data[name] = data.astype(type.dtype.numpy)
        self.values.append(value)

    def pick(self, kind: str | None = None) -> Value:
        """A value, more often than not one of the latest, so that chains arise."""
        fitting = [v for v in self.values if kind is None or v.type.dtype.kind == kind]
        if not fitting:
            return self.scalar(1.5)
        window = min(3, len(fitting)) if self.rng.random() < 0.7 else len(fitting)
        return fitting[-1 - self.rng.integers(window)]

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
        return self.builder.emit("broadcast_in_dim", x, shape=type.shape, broadcast_dimensions=dims)

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
        grown = tuple(2 if n == 1 and self.rng.random() < 0.5 else n for n in x.type.shape)
        shape = front + grown
        dims = tuple(range(len(front), len(shape)))
        if len(set(x.type.shape)) < len(dims) and self.rng.random() < 0.3:
            dims, shape = dims[::-1], front + grown[::-1]
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
        table = self.builder.emit("iota", shape=self._shape(), dimension=0, dtype=self.float.name)
        self.values.append(table)
        return self.builder.emit("multiply", table, self.fit(self.pick("float"), table.type))

    def power(self) -> Value:
        x = self.pick("float")
        exponent = self.scalar(float(self.rng.choice([1.0, 2.0, 3.0])))
        x = self.builder.emit("tanh", x)
        return self.builder.emit("power", x, self.fit(exponent, x.type))

    def flag_as_number(self) -> Value:
        x = self.builder.emit("convert", self.pick("bool"), dtype="int64")
        number = self.builder.constant("k", np.array(int(self.rng.integers(0, 2))))
        self.values.append(x)
        direction = str(self.rng.choice(_DIRECTIONS))
        return self.builder.emit("compare", x, self.fit(number, x.type), direction=direction)

    def spelled_gelu(self) -> Value:
        b, x = self.builder, self.pick("float")
        const = lambda c: self.fit(self.scalar(c), x.type)  # noqa: E731
        cube = b.emit("power", x, const(3.0))
        inner = b.emit("add", x, b.emit("multiply", const(0.044715), cube))
        bent = b.emit("tanh", b.emit("multiply", inner, const(math.sqrt(2 / math.pi))))
        half = b.emit("multiply", const(0.5), x)
        return b.emit("multiply", half, b.emit("add", const(1.0), bent))

    def eager_attention(self) -> Value | None:
        b, x = self.builder, self.pick("float")
        if x.type.rank != 3:
            return None
        batch, rows, width = x.type.shape
        x = b.emit("reshape", b.emit("tanh", x), shape=(batch, 1, rows, width))
        dims = {"lhs_batching_dimensions": (0, 1), "rhs_batching_dimensions": (0, 1)}
        turned = b.emit("transpose", x, permutation=(0, 1, 3, 2))
        scores = b.emit(
            "dot_general",
            x,
            turned,
            **dims,
            lhs_contracting_dimensions=(3,),
            rhs_contracting_dimensions=(2,),
        )
        mask = b.constant("mask", self.rng.standard_normal(rows).astype(self.float.numpy))
        scores = b.emit("multiply", scores, self.fit(self.scalar(0.5), scores.type))
        scores = b.emit("add", scores, self.fit(mask, scores.type))
        if self.rng.random() < 0.5:
            scores = b.emit("add", self.fit(self.scalar(0.25), scores.type), scores)
        return b.emit(
            "dot_general",
            b.emit("softmax", scores, axis=3),
            x,
            **dims,
            lhs_contracting_dimensions=(3,),
            rhs_contracting_dimensions=(2,),
        )

    def twice(self) -> Value:
        """Two steps of one kind in a row, the second on the first."""
        steps = [self.transpose, self.slice, self.reshape, self.broadcast, self.negate]
        step = steps[self.rng.integers(len(steps))]
        everything, self.values = self.values, [step()]
        last = step()
        self.values = everything + self.values
        return last

    def negate(self) -> Value:
        return self.builder.emit("negate", self.pick("float"))

    def concatenate(self) -> Value | None:
        x = self.pick()
        if x.type.rank == 0:
            return None
        return self.builder.emit("concatenate", x, x, dimension=int(self.rng.integers(x.type.rank)))
