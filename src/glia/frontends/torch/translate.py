"""Turns an exported fx graph into the tensor graph, one node at a time.

Every value that PyTorch names keeps its name. What does not depend on inputs or weights (index
tables, masks of ones) is computed here and becomes a constant. All that has no translation is
collected; nothing stops at the first.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.fx

from glia.core.records import Finding, SourceLine
from glia.frontends.torch.aten import bind, find
from glia.frontends.torch.decompose import decomposed
from glia.frontends.torch.emitter import ArgumentUnsupported, Emitter, Shelf
from glia.frontends.torch.hints import hint_for
from glia.frontends.torch.sources import layer_of, source_of
from glia.frontends.torch.tensors import is_static, to_numpy, type_of
from glia.graph.builder import GraphBuilder
from glia.graph.ir import Graph, GraphError, Node, Value

# Constants larger than this are computed by the graph instead, so that a capture stays small.
FOLD_LIMIT = 1 << 20

_CHECKS = ("_assert", "sym_constrain", "_functional_assert", "_functional_sym", "_print")


class _Missing:
    """Stands for a value that could not be translated; whoever reads it is skipped."""


MISSING = _Missing()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the nodes being emitted come from."""

    source: SourceLine | None
    layer: str


class Translator:
    """Translates one exported graph; `findings` lists what could not be."""

    def __init__(self, builder: GraphBuilder) -> None:
        self.builder = builder
        self.shelf = Shelf(builder)
        self.findings: list[Finding] = []
        self.names: dict[Value, str] = {}
        self._known: dict[torch.fx.Node, torch.Tensor] = {}
        self._env: dict[torch.fx.Node, Any] = {}

    def set(self, node: torch.fx.Node, value: Any) -> None:
        """Bind a placeholder to a graph value, or to a plain Python constant."""
        self._env[node] = value

    def set_known(self, node: torch.fx.Node, tensor: torch.Tensor, name: str) -> None:
        """Bind a placeholder to a buffer or lifted constant, which is folded into what it makes."""
        if tensor.numel() <= FOLD_LIMIT and not tensor.is_complex():
            self._known[node] = tensor.detach()
            node.meta["glia_name"] = name
        else:
            self.set(node, self.shelf.add(name, to_numpy(tensor)))

    def run(self, graph: torch.fx.Graph) -> None:
        """Translate every node that the outputs need."""
        live = live_nodes(graph)
        for node in graph.nodes:
            if node in live and node.op == "call_function":
                self._visit(node)

    def value(self, node: torch.fx.Node) -> Any:
        """The translation of a node; folded ones become constants when they are first read."""
        if node not in self._env and node in self._known:
            name = node.meta.get("glia_name", node.name)
            constant = self.shelf.add(f"{name}.folded", to_numpy(self._known[node]))
            self.names[constant] = name
            self._env[node] = constant
        return self._env[node]

    def _visit(self, node: torch.fx.Node) -> None:
        if _is_check(node.target) or self._fold(node):
            return
        place = Place(source_of(node), layer_of(node))
        with self.builder.at(place.source, place.layer):
            self._env[node] = self._translate(node, node.name, place)
        self._name(node)

    def _name(self, node: torch.fx.Node) -> None:
        """Give the result, when it was made for this node, the name that PyTorch gives it."""
        result = self._env[node]
        if not isinstance(result, Value) or result in self.names:
            return
        owner = node.args[0] if node.target is operator.getitem else node
        assert isinstance(owner, torch.fx.Node)
        if result.name.startswith(f"{owner.name}.") and result not in self.shelf.data:
            self.names[result] = node.name

    def _fold(self, node: torch.fx.Node) -> bool:
        """Compute the node now when it depends on nothing but known tensors."""
        target = node.target
        if not isinstance(target, torch._ops.OpOverload) or not _is_pure(target):
            return False
        if not all(n in self._known for n in node.all_input_nodes) or not _is_small(node):
            return False
        args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), self._known.__getitem__)
        kwargs = {k: torch.device("cpu") if k == "device" else v for k, v in kwargs.items()}
        with torch.no_grad():
            self._known[node] = target(*args, **kwargs)
        return True

    def _translate(self, node: torch.fx.Node, name: str, place: Place) -> Any:
        if node.target is operator.getitem:
            parts = self.value(node.args[0])  # type: ignore[arg-type]
            return parts if parts is MISSING else parts[node.args[1]]
        function = find(node.target)
        if function is None:
            return self._open(node, name, place)
        args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), self.value)
        if MISSING in _leaves((args, kwargs)):
            return MISSING
        return self._apply(function, node, (args, kwargs), name, place)

    def _apply(
        self, function: Any, node: torch.fx.Node, given: Any, name: str, place: Place
    ) -> Any:
        expected = node.meta["val"]
        if not all(is_static(t) for t in _tensors(expected)):
            return self._report_dynamic(node, place)
        out = type_of(expected) if isinstance(expected, torch.Tensor) else None
        positional, keywords = bind(node.target, *given)
        try:
            result = function(Emitter(self.shelf, name, out), *positional, **keywords)
        except ArgumentUnsupported as error:
            return self._report(node, place, str(error), "with these arguments")
        except GraphError as error:
            return self._report(node, place, f"no graph has this meaning: {error}")
        check_types(node, result, expected)
        return result

    def _open(self, node: torch.fx.Node, name: str, place: Place) -> Any:
        """Translate a call that has no rule through its decomposition, or report it."""
        if not all(is_static(t) for t in _tensors(node.meta.get("val"))):
            return self._report_dynamic(node, place)
        inner = _submodule(node) or decomposed(node)
        if inner is None:
            return self._report(node, place, hint_for(node.target))
        inputs = [n for n in node.all_input_nodes if n.op != "get_attr"]
        for argument, placeholder in zip(
            inputs, inner.graph.find_nodes(op="placeholder"), strict=True
        ):
            self._env[placeholder] = self.value(argument)
        for call in inner.graph.nodes:
            if call.op == "get_attr":
                self._known[call] = getattr(inner, call.target)
            elif call.op == "call_function" and not _is_check(call.target):
                self._env[call] = self._translate(call, f"{name}.{call.name}", place)
        (result,) = inner.graph.output_node().args
        return torch.fx.node.map_arg(result, self.value)

    def _report(self, node: torch.fx.Node, place: Place, do: str, detail: str = "") -> _Missing:
        what = f"{node.target} {detail}".strip()
        return self._add(Finding("unsupported-op", "blocks", what, do, place.source, node.name))

    def _report_dynamic(self, node: torch.fx.Node, place: Place) -> _Missing:
        what = f"{node.target} makes a tensor whose size depends on the data"
        do = hint_for(node.target, "choose with torch.where(mask, x, y), so that sizes stay fixed")
        return self._add(Finding("dynamic-shape", "blocks", what, do, place.source, node.name))

    def _add(self, found: Finding) -> _Missing:
        """Keep a finding, once for each line of the user's code."""
        same = [f for f in self.findings if (f.what, f.source) == (found.what, found.source)]
        if not same or found.source is None:
            self.findings.append(found)
        return MISSING


def live_nodes(graph: torch.fx.Graph) -> set[torch.fx.Node]:
    """The nodes on which the outputs depend."""
    live: set[torch.fx.Node] = set()
    waiting = [graph.output_node()]
    while waiting:
        node = waiting.pop()
        if node not in live:
            live.add(node)
            waiting += node.all_input_nodes
    return live


def check_types(node: torch.fx.Node, result: Any, expected: Any) -> None:
    """Assert that the translation has the shape and format that PyTorch says."""
    values = result if isinstance(result, tuple) else (result,)
    for value, tensor in zip(values, _tensors(expected), strict=True):
        assert value.type == type_of(tensor), (
            f"translating {node.format_node()}: got {value.type}, expected {type_of(tensor)}"
        )


def renamed(graph: Graph, names: dict[Value, str]) -> Graph:
    """The same graph with some values under other names; a name taken already is left as it is."""
    taken = {v.name for v in graph.inputs} | {v.name for v in graph.constants if v not in names}
    new: dict[Value, Value] = {}
    for value, name in names.items():
        if name not in taken:
            new[value] = Value(name, value.type)
            taken.add(name)

    def swap(value: Value) -> Value:
        return new.get(value, value)

    nodes = tuple(
        Node(n.op, tuple(map(swap, n.operands)), swap(n.result), n.attrs, n.source, n.layer)
        for n in graph.nodes
    )
    constants: dict[Value, np.ndarray] = {swap(v): data for v, data in graph.constants.items()}
    return Graph(graph.name, graph.inputs, constants, nodes, tuple(map(swap, graph.outputs)))


def _is_check(target: Any) -> bool:
    name = str(target).removeprefix("aten.")
    return name.startswith(_CHECKS) or "_assert" in name


def _is_pure(target: torch._ops.OpOverload) -> bool:
    random = torch.Tag.nondeterministic_seeded in target.tags
    return not random and not target._schema.is_mutable and target.namespace == "aten"


def _is_small(node: torch.fx.Node) -> bool:
    made = node.meta.get("val")
    return isinstance(made, torch.Tensor) and is_static(made) and made.numel() <= FOLD_LIMIT


def _submodule(node: torch.fx.Node) -> torch.fx.GraphModule | None:
    """The body of a region that only switches gradients or autocast off."""
    name = getattr(node.target, "__name__", "")
    if name not in ("wrap_with_set_grad_enabled", "wrap_with_autocast"):
        return None
    body = next((n for n in node.all_input_nodes if n.op == "get_attr"), None)
    owner = node.graph.owning_module
    return None if body is None or owner is None else getattr(owner, str(body.target))


def _tensors(values: Any) -> list[torch.Tensor]:
    return [v for v in _leaves(values) if isinstance(v, torch.Tensor)]


def _leaves(values: Any) -> Iterator[Any]:
    if isinstance(values, dict):
        values = tuple(values.values())
    if isinstance(values, list | tuple):
        for value in values:
            yield from _leaves(value)
    else:
        yield values
