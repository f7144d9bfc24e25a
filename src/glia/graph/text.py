"""The text form of a graph: one line per node, printed and parsed without loss.

    graph name(%x: float32[8,4]) {
      %w = constant(...) : float32[4]
      %y = softmax(%x) {axis = -1} : float32[8,4] // encoder.layer.0 @ model.py:12 "y = f(x)"
      return %y
    }

All survives except the data of constants, which `constants_of` collects and `parse_graph` takes
back by name. Data of one element are always printed; `constants="inline"` prints all (base64).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from glia.core.errors import choose
from glia.core.records import SourceLine
from glia.graph.ir import Graph, Node, Value
from glia.graph.parser import parse_graph

__all__ = ["constants_of", "parse_graph", "print_graph"]

Constants = Literal["elide", "inline"]

_BARE_VALUE = re.compile(r"[A-Za-z0-9_.$]+", re.ASCII)
_BARE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.$-]*", re.ASCII)
_BARE_LAYER = re.compile(r"[^\s\"@]+", re.ASCII)
_BARE_FILE = re.compile(r"[^\s\":]+", re.ASCII)


def print_graph(graph: Graph, constants: Constants = "elide") -> str:
    """The graph as text; `constants` says whether data of more than one element are printed."""
    choose("constants", constants, ("elide", "inline"))
    return "\n".join(_graph_lines(graph, constants)) + "\n"


def constants_of(graph: Graph) -> dict[str, np.ndarray]:
    """The data of all constants by name; one inside a fused body is named `node/constant`."""
    data = {value.name: array for value, array in graph.constants.items()}
    for node in graph.nodes:
        for attr in node.attrs.values():
            inner = constants_of(attr) if isinstance(attr, Graph) else {}
            data.update({f"{node.result.name}/{name}": array for name, array in inner.items()})
    return data


def _graph_lines(graph: Graph, constants: Constants) -> Iterator[str]:
    inputs = ", ".join(f"{_value(v)}: {v.type}" for v in graph.inputs)
    yield f"graph {_bare_or_quoted(_BARE_NAME, graph.name)}({inputs}) {{"
    for value, data in graph.constants.items():
        yield f"  {_value(value)} = constant({_data(data, constants)}) : {value.type}"
    for node in graph.nodes:
        yield f"  {_node(node, constants)}"
    yield f"  return {', '.join(map(_value, graph.outputs))}".rstrip()
    yield "}"


def _node(node: Node, constants: Constants) -> str:
    call = f"{_value(node.result)} = {node.op}({', '.join(map(_value, node.operands))})"
    attrs = ", ".join(f"{key} = {_attr(v, constants)}" for key, v in node.attrs.items())
    braces = f" {{{attrs}}}" if attrs else ""
    return f"{call}{braces} : {node.result.type}{_place(node.layer, node.source)}"


def _place(layer: str, source: SourceLine | None) -> str:
    parts = [_bare_or_quoted(_BARE_LAYER, layer)] if layer else []
    if source is not None:
        parts.append(f"@ {_bare_or_quoted(_BARE_FILE, source.file)}:{source.line}")
        parts += [json.dumps(source.code)] if source.code else []
    return " // " + " ".join(parts) if parts else ""


def _attr(value: Any, constants: Constants) -> str:
    if isinstance(value, Graph):
        return "\n    ".join(_graph_lines(value, constants))
    if isinstance(value, tuple):
        items = [_attr(item, constants) for item in value]
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _data(data: np.ndarray, constants: Constants) -> str:
    if data.size == 1 and data.dtype.kind != "c":
        return _number(data)
    if constants == "elide":
        return "..."
    return json.dumps(base64.b64encode(np.ascontiguousarray(data).tobytes()).decode())


def _number(data: np.ndarray) -> str:
    item = data.reshape(())[()]
    if data.dtype.kind in "biu":
        return repr(item.item())
    return repr(float(item))


def _value(value: Value) -> str:
    return "%" + _bare_or_quoted(_BARE_VALUE, value.name)


def _bare_or_quoted(bare: re.Pattern[str], text: str) -> str:
    return text if bare.fullmatch(text) else json.dumps(text)
