"""Reads the text form of graphs that `text` prints. Recursive descent over a flat token list."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np

from glia.core.dtypes import DType, dtype
from glia.core.errors import FormatError, UsageError
from glia.core.records import SourceLine
from glia.graph.ir import Graph, Node, TensorType, Value
from glia.graph.verify import verify

Data = Mapping[str, np.ndarray] | Literal["zeros"]

# Only what JSON takes as a string, so that reading one cannot fail later.
_STRING = r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"'
_TOKEN = re.compile(
    rf"(?P<place>//[^\n]*)|(?P<string>{_STRING})|(?P<value>%(?:{_STRING}|[A-Za-z0-9_.$]+))"
    r"|(?P<number>-?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|(?<=-)inf))|(?P<name>[A-Za-z_][A-Za-z0-9_.$-]*)"
    r"|(?P<mark>\.\.\.|[(){}\[\],:=])|(?P<space>\s+)|(?P<bad>.)",
    re.ASCII,
)
_PLACE = re.compile(
    rf"// ?(?P<layer>{_STRING}|[^\s\"@]+)?(?: ?@ (?P<file>{_STRING}|[^\s\":]+):(?P<line>-?\d+)"
    rf"(?: (?P<code>{_STRING}))?)?\s*",
    re.ASCII,
)
_WORDS = {"True": True, "False": False, "None": None, "inf": float("inf"), "nan": float("nan")}


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


def parse_graph(text: str, constants: Data | None = None) -> Graph:
    """The graph that `print_graph` wrote, verified.

    `constants` gives the data that the text elides, by name (see `constants_of`), or is "zeros".

    Raises:
        FormatError: the text is not a graph, or the data of a constant are missing or of another
            type; names the line.
        GraphError: the graph breaks a rule.
    """
    parser = _Parser(_tokens(text), {} if constants is None else constants)
    graph = parser.graph(prefix="")
    parser.end()
    verify(graph)
    return graph


def _tokens(text: str) -> list[_Token]:
    tokens, line = [], 1
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "bad"
        if kind == "bad":
            raise _error(line, repr(match.group()), "a graph's text", "check the spelling")
        if kind != "space":
            tokens.append(_Token(kind, match.group(), line))
        line += match.group().count("\n")
    return [*tokens, _Token("end", "the end", line)]


class _Parser:
    """A position in the tokens; each method reads one construct and moves past it."""

    def __init__(self, tokens: list[_Token], data: Data) -> None:
        self.tokens = tokens
        self.data = data
        self.at = 0

    def graph(self, prefix: str) -> Graph:
        """`graph name(inputs) { constants nodes return outputs }`."""
        self.expect("graph")
        name = self.name()
        scope: dict[str, Value] = {}
        inputs = self.listed("(", ")", lambda: self.input(scope))
        self.expect("{")
        constants: dict[Value, np.ndarray] = {}
        nodes: list[Node] = []
        while self.peek().text != "return":
            self.statement(scope, constants, nodes, prefix)
        self.expect("return")
        outputs = [] if self.peek().text == "}" else self.separated(lambda: self.read(scope))
        self.expect("}")
        proxy = MappingProxyType(constants)
        return Graph(name, tuple(inputs), proxy, tuple(nodes), tuple(outputs))

    def input(self, scope: dict[str, Value]) -> Value:
        name = self.value_name()
        self.expect(":")
        return self.define(scope, name, self.type())

    def statement(
        self,
        scope: dict[str, Value],
        constants: dict[Value, np.ndarray],
        nodes: list[Node],
        prefix: str,
    ) -> None:
        """One line: a constant or a node."""
        name = self.value_name()
        self.expect("=")
        if self.peek().text == "constant":
            value, data = self.constant(scope, name, prefix)
            constants[value] = data
        else:
            nodes.append(self.node(scope, name, prefix))

    def constant(self, scope: dict[str, Value], name: str, prefix: str) -> tuple[Value, np.ndarray]:
        self.expect("constant")
        self.expect("(")
        given = self.take()
        self.expect(")")
        self.expect(":")
        value = self.define(scope, name, self.type())
        return value, self.contents(given, prefix + name, value.type)

    def node(self, scope: dict[str, Value], name: str, prefix: str) -> Node:
        op = self.name()
        operands = self.listed("(", ")", lambda: self.read(scope))
        attrs: dict[str, Any] = {}
        if self.peek().text == "{":
            inner = f"{prefix}{name}/"
            attrs = dict(self.listed("{", "}", lambda: self.attribute(inner)))
        self.expect(":")
        result = self.define(scope, name, self.type())
        layer, source = self.place()
        return Node(op, tuple(operands), result, MappingProxyType(attrs), source, layer)

    def attribute(self, prefix: str) -> tuple[str, Any]:
        key = self.name()
        self.expect("=")
        return key, self.literal(prefix)

    def literal(self, prefix: str) -> Any:
        """A number, string, word, tuple or graph."""
        token = self.peek()
        if token.text == "graph":
            return self.graph(prefix)
        if token.text == "(":
            return tuple(self.listed("(", ")", lambda: self.literal(prefix)))
        self.take()
        if token.kind == "number":
            return _number(token.text)
        if token.kind == "string":
            return json.loads(token.text)
        if token.text in _WORDS:
            return _WORDS[token.text]
        raise self.wrong(token, "an attribute's value")

    def contents(self, given: _Token, name: str, type: TensorType) -> np.ndarray:
        """The data of a constant: a number, base64, or elided and passed in."""
        if given.text == "...":
            return self.passed(given, name, type)
        if given.kind == "string":
            return _decoded(given, type)
        if given.kind != "number" and given.text not in _WORDS:
            raise self.wrong(given, "a number, a string or ...")
        number = _WORDS[given.text] if given.text in _WORDS else _number(given.text)
        if type.num_elements != 1 or not _fits(number, type.dtype):
            raise self.wrong(given, f"{type} data")
        return np.array(number).astype(type.dtype.numpy).reshape(type.shape)

    def passed(self, given: _Token, name: str, type: TensorType) -> np.ndarray:
        if self.data == "zeros" or type.num_elements == 0:
            return np.broadcast_to(np.zeros((), type.dtype.numpy), type.shape)
        found = self.data.get(name)
        do = 'pass constants={name: array}, or constants="zeros"'
        if found is None:
            raise _error(given.line, f"no data for %{name}", str(type), do)
        if found.shape != type.shape or dtype(found.dtype) != type.dtype:
            got = f"data of {found.dtype}{list(found.shape)} for %{name}"
            raise _error(given.line, got, str(type), do)
        return found

    def type(self) -> TensorType:
        token = self.take()
        sizes = self.listed("[", "]", lambda: self.take("number"))
        try:
            return TensorType(tuple(int(size.text) for size in sizes), dtype(token.text))
        except (UsageError, ValueError) as error:
            raise _error(
                token.line, f"type {token.text}", "such as float32[2,3]", str(error)
            ) from None

    def place(self) -> tuple[str, SourceLine | None]:
        """What stands behind `//`: the layer and the source line; nothing if there is no `//`."""
        if self.peek().kind != "place":
            return "", None
        token = self.take()
        match = _PLACE.fullmatch(token.text)
        if match is None:
            raise self.wrong(token, "// layer @ file:line")
        layer, code = _unquoted(match["layer"] or ""), _unquoted(match["code"] or "")
        if match["file"] is None:
            return layer, None
        return layer, SourceLine(_unquoted(match["file"]), int(match["line"]), code)

    def define(self, scope: dict[str, Value], name: str, type: TensorType) -> Value:
        scope[name] = Value(name, type)  # `verify` refuses a second one of that name
        return scope[name]

    def read(self, scope: dict[str, Value]) -> Value:
        token, name = self.peek(), self.value_name()
        if name not in scope:
            raise self.wrong(token, "a value defined above")
        return scope[name]

    def name(self) -> str:
        if self.peek().kind == "string":
            return str(json.loads(self.take().text))
        return self.take("name").text

    def value_name(self) -> str:
        return _unquoted(self.take("value").text[1:])

    def listed(self, opening: str, closing: str, item: Callable[[], Any]) -> list[Any]:
        """`opening item, item, ... closing`; a comma may stand behind the last."""
        self.expect(opening)
        items = []
        while self.peek().text != closing:
            items.append(item())
            if self.peek().text != closing:
                self.expect(",")
        self.expect(closing)
        return items

    def separated(self, item: Callable[[], Any]) -> list[Any]:
        """`item, item, ...`, at least one."""
        items = [item()]
        while self.peek().text == ",":
            self.take()
            items.append(item())
        return items

    def end(self) -> None:
        """Nothing may follow."""
        if self.peek().kind != "end":
            raise self.wrong(self.peek(), "the end of the text")

    def peek(self) -> _Token:
        return self.tokens[self.at]

    def take(self, kind: str | None = None) -> _Token:
        token = self.peek()
        if token.kind == "end" or kind not in (None, token.kind):
            raise self.wrong(token, f"a {kind}" if kind else "more")
        self.at += 1
        return token

    def expect(self, text: str) -> None:
        token = self.peek()
        if token.text != text or token.kind not in ("mark", "name"):
            raise self.wrong(token, repr(text))
        self.at += 1

    def wrong(self, token: _Token, expected: str) -> FormatError:
        return _error(token.line, token.text, expected, "print it again, or mend the line")


def _number(text: str) -> int | float:
    return float(text) if any(c in text for c in ".eEn") else int(text)


def _fits(number: object, dtype: DType) -> bool:
    if dtype.is_integer:
        limits = np.iinfo(dtype.numpy)
        return type(number) is int and limits.min <= number <= limits.max
    return isinstance(number, bool) if dtype.kind == "bool" else type(number) in (int, float)


def _decoded(given: _Token, type: TensorType) -> np.ndarray:
    try:
        raw = base64.b64decode(json.loads(given.text), validate=True)
        flat = np.frombuffer(raw, dtype=type.dtype.numpy)
        return flat.reshape(type.shape)
    except (binascii.Error, ValueError) as error:
        raise _error(given.line, "damaged data", f"base64 of {type}", str(error)) from None


def _unquoted(text: str) -> str:
    return str(json.loads(text)) if text.startswith('"') else text


def _error(line: int, got: str, expected: str, do: str) -> FormatError:
    return FormatError(f"reading graph text, line {line}: got {got}, expected {expected}; {do}")
