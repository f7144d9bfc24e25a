"""What a lowering rule works with: where values live, and how to launch a kernel.

A rule is `rule(lowering, node)`; it either names a view as the node's result (`define`) or
launches a kernel. Streams are traced once per kernel, argument layout and static arguments.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

import numpy as np

from glia.compiler.program import Buffer, Launch, chip_format
from glia.compiler.view import View, dense_view
from glia.core.dtypes import dtype
from glia.core.errors import KernelError, UnsupportedError
from glia.graph.ir import Graph, Node, Value
from glia.isa.stream import Stream
from glia.isa.target import Target
from glia.kernels.copy import copy
from glia.kernels.transpose import transpose
from glia.nki.kernel import Kernel, TensorSpec

_UNFOLDED_BYTES = 64 << 20  # up to here a constant that repeats is written out at compile time
_TURNED_MIN = 32  # rows and columns from which exchanging them is the Tensor engine's work

Rule = Callable[["Lowering", Node], None]
Refusal = Callable[[Node, Graph, Target], "str | None"]
RULES: dict[str, Rule] = {}
REFUSALS: dict[str, Refusal] = {}


def lowers(*ops: str) -> Callable[[Rule], Rule]:
    """Declare the rule of one or more ops."""

    def decorate(rule: Rule) -> Rule:
        for op in ops:
            if op in RULES:
                raise ValueError(f"op {op!r} has two lowering rules")
            RULES[op] = rule
        return rule

    return decorate


def refuses(*ops: str) -> Callable[[Refusal], Refusal]:
    """Declare when ops cannot be lowered: `f(node, graph, target)` says why and what to do."""

    def decorate(refusal: Refusal) -> Refusal:
        REFUSALS.update(dict.fromkeys(ops, refusal))
        return refusal

    return decorate


@dataclass
class Lowering:
    """The program while it is built."""

    graph: Graph
    target: Target
    buffers: dict[str, Buffer] = field(default_factory=dict)
    weights: dict[str, np.ndarray] = field(default_factory=dict)
    views: dict[Value, View] = field(default_factory=dict)
    launches: list[Launch] = field(default_factory=list)
    streams: dict[str, Stream] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    depths: dict[Value, int] = field(default_factory=dict)
    _traced: dict[Any, str] = field(default_factory=dict)
    _derived: dict[tuple[Value, str], View] = field(default_factory=dict)
    _dense: dict[View, View] = field(default_factory=dict)
    _node: Node | None = None

    # -- where values live ---------------------------------------------------------------------

    def view(self, value: Value) -> View:
        """Where a value lives; a constant gets its weight buffer when first asked for."""
        found = self.views.get(value)
        if found is None:
            found = self.constant(value.name, self.graph.constants[value])
            self.views[value] = found
        return found

    def data(self, value: Value) -> np.ndarray | None:
        """The data of a constant, else None."""
        return self.graph.constants.get(value)

    def constant(self, name: str, data: np.ndarray) -> View:
        """A weight buffer with this data (bool stored as uint8)."""
        stored = data.view(np.uint8) if data.dtype == np.bool_ else data
        label = self._free_name(name)
        self.buffers[label] = Buffer(label, "weight", max(stored.nbytes, 1))
        self.weights[label] = stored
        return dense_view(label, dtype(stored.dtype).name, stored.shape)

    def input(self, name: str, format: str, shape: Sequence[int]) -> View:
        """A dense buffer that the host fills."""
        view = dense_view(self._free_name(name), format, shape)
        size = view.num_elements * view.dtype.itemsize
        self.buffers[view.buffer] = Buffer(view.buffer, "input", max(size, 1))
        return view

    def derived(self, value: Value, tag: str, make: Callable[[np.ndarray], np.ndarray]) -> View:
        """A weight made from a constant at compile time, once per `tag`."""
        if (value, tag) not in self._derived:
            made = np.ascontiguousarray(make(self.graph.constants[value]))
            self._derived[value, tag] = self.constant(f"{value.name}.{tag}", made)
        return self._derived[value, tag]

    def filled(self, node: Node, number: Any) -> View:
        """A value that holds one number everywhere: one stored element, repeated."""
        dtype_of = node.result.type.dtype
        made = self.constant(f"{node.result.name}.fill", np.array(number, dtype_of.numpy))
        return made.broadcast(node.result.type.shape, ())

    def define(self, node: Node, view: View) -> None:
        """The node's result is this view of memory that is already there."""
        self.views[node.result] = view
        self.depths[node.result] = self._input_depth(node)

    def _free_name(self, name: str) -> str:
        label, count = name, 0
        while label in self.buffers:
            count += 1
            label = f"{name}.{count}"
        return label

    # -- launching -----------------------------------------------------------------------------

    def lower(self, node: Node) -> None:
        """Run the rule of one node; `check_supported` has accepted it."""
        self._node = node
        if 0 in node.result.type.shape:
            self._define_empty(node)
        else:
            RULES[node.op](self, node)

    def _define_empty(self, node: Node) -> None:
        """A value without elements takes no memory and no launch."""
        format = chip_format(node.result.type.dtype)
        label = self._free_name(node.result.name)
        self.buffers[label] = Buffer(label, "activation", 1)
        self.define(node, dense_view(label, format, node.result.type.shape))

    def run(
        self,
        node: Node,
        kernel: Kernel,
        tensors: Mapping[str, View | None],
        shape: Sequence[int] | None = None,
        permute: Sequence[int] | None = None,
        **static: Any,
    ) -> View:
        """Launch a kernel whose output is the node's result, and define it.

        The output tensor is seen as `shape` (default: the result's), then with dims reordered by
        `permute`: that is how a kernel keeps its own layout.
        """
        out = self.launch(kernel, tensors, node.result.name, **static)
        view = dense_view(out.buffer, out.format, shape or node.result.type.shape)
        view = view if permute is None else view.permute(permute)
        self.finish(node, view)
        return view

    def launch(
        self, kernel: Kernel, tensors: Mapping[str, View | None], name: str, **static: Any
    ) -> View:
        """Launch a kernel into a new buffer; returns its (first) output, dense."""
        given = {k: v for k, v in tensors.items() if v is not None}
        key = self.trace(kernel, given, static)
        stream = self.streams[key]
        places = [self._place(given[s.name]) for s in stream.inputs]
        outputs = []
        for storage in stream.outputs:
            label = self._free_name(name)
            self.buffers[label] = Buffer(label, "activation", max(storage.num_bytes, 1))
            outputs.append(dense_view(label, storage.dtype.name, storage.shape))
        places += [(view.buffer, 0) for view in outputs]
        node = self._node
        assert node is not None
        self.launches.append(
            Launch(
                kernel.function.__name__,
                key,
                tuple(places),
                value="",
                view=outputs[0],
                op=node.op,
                layer=node.layer,
                depth=0,
                source=node.source,
            )
        )
        return outputs[0]

    def finish(self, node: Node, view: View) -> None:
        """The last launch computes this node: name it, so that the proof can compare it."""
        depth = self._input_depth(node) + 1
        self.views[node.result] = view
        self.depths[node.result] = depth
        self.launches[-1] = replace(
            self.launches[-1],
            value=node.result.name,
            view=view,
            depth=depth,
            reads=tuple(o.name for o in node.operands),
        )

    def _input_depth(self, node: Node) -> int:
        return max((self.depths.get(o, 0) for o in node.operands), default=0)

    def trace(self, kernel: Kernel, tensors: Mapping[str, View], static: Mapping[str, Any]) -> str:
        """The key of the stream for these argument layouts, traced if it is new.

        A kernel is known by its function, which also tells generated ones apart.
        """
        specs = {name: view.spec() for name, view in tensors.items()}
        layout = tuple((n, s.shape, s.dtype.name, s.strides) for n, s in specs.items())
        identity = (kernel.function.__module__, kernel.function.__name__)
        key = (identity, layout, tuple(sorted(static.items())))
        if key not in self._traced:
            label = f"{kernel.function.__name__}-{len(self.streams)}"
            self.streams[label] = self._trace(kernel, specs, static)
            self._traced[key] = label
            self._keep_source(kernel)
        return self._traced[key]

    def _trace(
        self, kernel: Kernel, specs: Mapping[str, TensorSpec], static: Mapping[str, Any]
    ) -> Stream:
        try:
            return kernel.trace(target=self.target, **specs, **static)
        except KernelError as error:
            node = self._node
            where = f"{node.op} at {node.source or node.layer or node.result}" if node else ""
            raise UnsupportedError(
                f"compiling {where} for {self.target.chip}: the kernel "
                f"{kernel.function.__name__} does not fit: {error}"
            ) from None

    def _keep_source(self, kernel: Kernel) -> None:
        module = inspect.getmodule(kernel.function)
        if isinstance(module, ModuleType) and module.__name__.startswith("glia.kernels"):
            for part in _with_helpers(module):
                self.sources[f"{part.__name__.rpartition('.')[2]}.py"] = inspect.getsource(part)

    def _place(self, view: View) -> tuple[str, int]:
        return view.buffer, view.offset * view.dtype.itemsize

    # -- copies --------------------------------------------------------------------------------

    def dense(self, view: View, name: str) -> View:
        """The view's elements, row-major: itself, or a copy."""
        if view.is_dense:
            return view
        if view.buffer in self.weights and self._num_bytes(view) <= _UNFOLDED_BYTES:
            return self._unfolded(view)
        turned = self._turned(view)
        if turned is not None:
            made = self.launch(transpose, {"x": turned}, name)
        else:
            made = self.launch(copy, {"x": self.flat(view, 3)}, name)
        return dense_view(made.buffer, made.format, view.shape)

    def _unfolded(self, view: View) -> View:
        """A constant made dense at compile time, once: no launch at run time."""
        if view not in self._dense:
            data = self.weights[view.buffer].reshape(-1).view(np.uint8)
            made = np.ascontiguousarray(view.bind(data, 0))
            self._dense[view] = self.constant(f"{view.buffer}.dense", made)
        return self._dense[view]

    def _num_bytes(self, view: View) -> int:
        return view.num_elements * view.dtype.itemsize

    def _turned(self, view: View) -> View | None:
        """The view as [B, C, R] when it is a batch of large exchanged matrices [B, R, C].

        The Tensor engine exchanges them; a DMA would move one element at a time. NeuronCore-v2
        multiplies by an identity there, which only finite floats survive, so it keeps to the DMA.
        """
        flat = self.flat(view, 3)
        if len(flat.shape) != 3 or not self.target.can.transpose_bit_exact:
            return None
        if flat.dtype.itemsize == 1 or min(flat.shape[1:]) < _TURNED_MIN:
            return None
        return flat.permute((0, 2, 1)) if flat.strides[1] == 1 else None

    def flat(self, view: View, rank: int) -> View:
        """The view with leading dims merged (or added) until it has `rank` dims, if strides allow.

        Falls back to the view itself when they do not.
        """
        if len(view.shape) <= rank:
            return view
        merged = math.prod(view.shape[: len(view.shape) - rank + 1])
        return view.reshape((merged, *view.shape[len(view.shape) - rank + 1 :])) or view

    def matrix(self, view: View, name: str) -> View:
        """The view as [rows, last dim]; copied when strides cannot merge the leading dims."""
        columns = view.shape[-1] if view.shape else 1
        rows = view.num_elements // max(columns, 1)
        return view.reshape((rows, columns)) or _must(
            self.dense(view, name).reshape((rows, columns))
        )

    def reshaped(self, view: View, shape: Sequence[int], name: str) -> View:
        """The view in another shape; copied when strides cannot express it."""
        return view.reshape(shape) or _must(self.dense(view, name).reshape(shape))


def _must(view: View | None) -> View:
    assert view is not None, "a dense view reshapes freely"
    return view


def _with_helpers(module: ModuleType) -> list[ModuleType]:
    """The kernel's module and the modules of glia.kernels that it uses."""
    found = {module.__name__: module}
    for value in vars(module).values():
        owner = inspect.getmodule(value)
        if owner is not None and owner.__name__.startswith("glia.kernels."):
            found[owner.__name__] = owner
    return list(found.values())


def result_format(node: Node) -> str:
    """The chip format of a node's result."""
    return chip_format(node.result.type.dtype)
