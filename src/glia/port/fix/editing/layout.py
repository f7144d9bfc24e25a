"""A module as text and as libcst's tree: which of its nodes is which of Python's.

Places come from Python's own tree, the text from libcst's; both know where a node begins and ends.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from glia.port.source.module import Module

_Span = tuple[int, int, int, int]
_LINES = (cst.SimpleStatementLine, cst.SimpleStatementSuite)
_KINDS: dict[type[ast.AST], tuple[type[cst.CSTNode], ...]] = {
    ast.Call: (cst.Call,),
    ast.Attribute: (cst.Attribute,),
    ast.Name: (cst.Name,),
    ast.Constant: (cst.SimpleString, cst.ConcatenatedString, cst.Name, cst.Integer, cst.Float),
    ast.JoinedStr: (cst.FormattedString, cst.ConcatenatedString),
    ast.IfExp: (cst.IfExp,),
    ast.Compare: (cst.Comparison,),
    ast.Assign: (cst.Assign,),
    ast.Import: (cst.Import,),
    ast.ImportFrom: (cst.ImportFrom,),
}


class Unplaced(Exception):
    """An edit cannot be done; the message says why."""


@dataclass(slots=True)
class Layout:
    """A module as text and as libcst's tree, with the node at each place.

    Raises:
        Unplaced: for text that libcst does not read, or does not give back as it was.
    """

    module: Module
    text: str
    wrapper: MetadataWrapper = field(init=False)
    positions: Mapping[cst.CSTNode, CodeRange] = field(init=False)
    _nodes: dict[_Span, list[cst.CSTNode]] = field(init=False)
    _blocks: list[tuple[_Span, cst.CSTNode]] = field(init=False)
    _comments: list[tuple[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        try:
            tree = cst.parse_module(self.text)
        except Exception as error:  # libcst's parser raises of several kinds
            raise Unplaced(f"libcst does not read it: {first_line(error)}") from None
        if tree.code != self.text:
            raise Unplaced("libcst does not give its text back unchanged")
        self.wrapper = MetadataWrapper(tree, unsafe_skip_copy=True)
        self.positions = self.wrapper.resolve(PositionProvider)
        self._nodes = {}
        for node, place in self.positions.items():
            if isinstance(node, (cst.BaseExpression, cst.BaseSmallStatement)):
                self._nodes.setdefault(_span_of_range(place), []).append(node)
        self._blocks = [
            (_span_of_range(place), node)
            for node, place in self.positions.items()
            if isinstance(node, (*_LINES, cst.BaseCompoundStatement))
        ]
        self._comments = list(_comments(self.text))

    def find(self, node: ast.AST) -> cst.CSTNode:
        """libcst's node for a node of Python's tree.

        Raises:
            Unplaced: when the two trees do not agree.
        """
        kinds = _KINDS.get(type(node), (cst.BaseExpression,))
        found = [n for n in self._nodes.get(self.span(node), ()) if isinstance(n, kinds)]
        if len(found) != 1 or not _is_same(found[0], node, self.wrapper.module):
            raise Unplaced("the place inside its text is not certain")
        return found[0]

    def statement(self, node: ast.stmt) -> cst.CSTNode:
        """The line of libcst's tree that a statement stands in, or the block that it is.

        Raises:
            Unplaced: when there is none.
        """
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found = [b for _, b in self._blocks if self._is_definition(b, node)]
        else:
            kinds = (cst.BaseCompoundStatement,) if hasattr(node, "body") else _LINES
            at = self.span(node)
            around = [
                (span, block)
                for span, block in self._blocks
                if isinstance(block, kinds) and span[:2] <= at[:2] and at[2:] <= span[2:]
            ]
            found = [max(around, key=lambda pair: pair[0][:2])[1]] if around else []
        if len(found) != 1:
            raise Unplaced("the place of the import is not certain")
        return found[0]

    def _is_definition(self, block: cst.CSTNode, node: ast.AST) -> bool:
        """By the line of its name: decorators stand above, in one tree within it."""
        if not isinstance(block, (cst.FunctionDef, cst.ClassDef)):
            return False
        line = self.positions[block.name].start.line
        return block.name.value == getattr(node, "name", "") and line == getattr(node, "lineno", 0)

    def span(self, node: ast.AST) -> _Span:
        """First and last line and column; Python's tree counts bytes, libcst characters."""
        first, last = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0) or 0
        return (
            first,
            self._column(first, getattr(node, "col_offset", 0)),
            last,
            self._column(last, getattr(node, "end_col_offset", 0) or 0),
        )

    def _column(self, line: int, offset: int) -> int:
        text = self.module.lines[line - 1] if 0 < line <= len(self.module.lines) else ""
        if text.isascii():
            return offset
        return len(text.encode("utf-8", "replace")[:offset].decode("utf-8", "ignore"))

    def has_comment(self, first: int, last: int) -> bool:
        """True when a comment stands in one of these lines."""
        return any(first <= line <= last for line, _ in self._comments)

    def check_between(self, first: tuple[int, int], last: tuple[int, int]) -> None:
        """Refuse to lose a comment between two places.

        Raises:
            Unplaced: when there is one.
        """
        if any(first <= place < last for place in self._comments):
            raise Unplaced("a comment stands beside an argument that would go")

    def check_comments(self, node: ast.AST, holes: Iterable[ast.AST]) -> None:
        """Refuse to lose a comment that stands inside `node` and in no hole.

        Raises:
            Unplaced: when there is one.
        """
        kept = [self.span(hole) for hole in holes]
        for place in self._comments:
            if _holds(self.span(node), place) and not any(_holds(span, place) for span in kept):
                raise Unplaced("a comment stands inside the expression")


def _span_of_range(place: CodeRange) -> _Span:
    return (place.start.line, place.start.column, place.end.line, place.end.column)


def _holds(span: _Span, place: tuple[int, int]) -> bool:
    return span[:2] <= place < span[2:]


def _comments(text: str) -> Iterable[tuple[int, int]]:
    try:
        for token in tokenize.generate_tokens(io.StringIO(text, newline="").readline):
            if token.type == tokenize.COMMENT:
                yield token.start
    except (tokenize.TokenError, SyntaxError):
        raise Unplaced("Python's reader of words gives up on it") from None


def _is_same(found: cst.CSTNode, node: ast.AST, module: cst.Module) -> bool:
    """Inside f-strings places can be wrong: the code itself must be the same."""
    try:
        tree = ast.parse(f"({module.code_for_node(found)}\n)") if _is_value(found) else None
    except SyntaxError:
        return False
    if tree is None:
        return True
    statement = tree.body[0]
    assert isinstance(statement, ast.Expr)
    return ast.dump(statement.value) == ast.dump(_as_read(node))


def _is_value(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.BaseExpression)


def _as_read(node: ast.AST) -> ast.AST:
    """The node as it would be read where it is only loaded."""
    if isinstance(getattr(node, "ctx", None), ast.Load) or not hasattr(node, "ctx"):
        return node
    fields = {name: getattr(node, name) for name in node._fields}
    return type(node)(**{**fields, "ctx": ast.Load()})


def first_line(error: Exception) -> str:
    """What a reader says, in one line."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
