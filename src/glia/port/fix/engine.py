"""Edits of a syntax tree carried out on the text, which is otherwise kept to the last byte.

Places come from Python's own tree, the text from libcst's; both know where a node begins and ends.
An edit that would lose a comment, or whose place the two trees do not agree on, is not done.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from glia.port.fix.edits import (
    AddArgument,
    DropArgument,
    DropImport,
    Edit,
    Fix,
    NameArgument,
    Replace,
    with_helper,
)
from glia.port.source.module import Module

_Span = tuple[int, int, int, int]
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
    _comments: list[tuple[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        try:
            tree = cst.parse_module(self.text)
        except Exception as error:  # libcst's parser raises of several kinds
            raise Unplaced(f"libcst does not read it: {_first_line(error)}") from None
        if tree.code != self.text:
            raise Unplaced("libcst does not give its text back unchanged")
        self.wrapper = MetadataWrapper(tree, unsafe_skip_copy=True)
        self.positions = self.wrapper.resolve(PositionProvider)
        self._nodes = {}
        for node, place in self.positions.items():
            if isinstance(node, (cst.BaseExpression, cst.BaseSmallStatement)):
                self._nodes.setdefault(_span_of_range(place), []).append(node)
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


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


# -- carrying edits out --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ImportLine:
    """A line that imports the helper, after the statement at this index of the file (-1: first)."""

    after: int
    code: str


class Placer:
    """Edits with libcst's nodes in place of Python's; a fix is taken whole or not at all."""

    def __init__(self, module: Module, text: str) -> None:
        self._module, self._text = module, text
        self._replaced: dict[cst.CSTNode, Replace] = {}

    @cached_property
    def layout(self) -> Layout:
        """Made when the first fix asks for it, which takes a while.

        Raises:
            Unplaced: see `Layout`.
        """
        return Layout(self._module, self._text)

    def add(self, fix: Fix) -> str:
        """Take a fix; else say why it cannot be done."""
        try:
            replaces = [self._check(edit) for edit in fix.edits]
        except Unplaced as error:
            return str(error)
        self._replaced.update(pair for pair in replaces if pair is not None)
        return ""

    def _check(self, edit: Edit) -> tuple[cst.CSTNode, Replace] | None:
        layout = self.layout
        node = layout.find(edit.node)
        if isinstance(edit, (DropArgument, NameArgument)):
            layout.find(edit.value)
        if not isinstance(edit, Replace):
            return None
        for hole in edit.holes.values():
            layout.find(hole)
        layout.check_comments(edit.node, edit.holes.values())
        if self._replaced.get(node, edit) != edit:
            raise Unplaced("another rule rewrites the same text")
        return node, edit


class _Placed:
    """All edits of a file by libcst's nodes."""

    def __init__(self, layout: Layout, edits: Sequence[Edit], helper: str) -> None:
        self.replaces: dict[cst.CSTNode, Replace] = {}
        self.calls: dict[cst.CSTNode, list[Edit]] = {}
        self.imports: dict[cst.CSTNode, frozenset[str]] = {}
        self.holes: dict[ast.AST, cst.CSTNode] = {}
        self.arguments: dict[ast.AST, cst.CSTNode] = {}
        self.helper = helper
        for edit in edits:
            node = layout.find(edit.node)
            if isinstance(edit, Replace):
                self.replaces[node] = edit
                self.holes.update({hole: layout.find(hole) for hole in edit.holes.values()})
            elif isinstance(edit, DropImport):
                self.imports[node] = edit.names
            else:
                self.calls.setdefault(node, []).append(edit)
                if isinstance(edit, (DropArgument, NameArgument)):
                    self.arguments[edit.value] = layout.find(edit.value)


def apply_edits(
    layout: Layout, edits: Sequence[Edit], helper: str, line: ImportLine | None = None
) -> str:
    """The new text.

    Raises:
        Unplaced: when an edit cannot be done without loss.
    """
    placed = _Placed(layout, edits, helper)
    try:
        changed = layout.wrapper.module.visit(_Editor(placed, line))
    except cst.CSTValidationError as error:
        raise Unplaced(f"the new text would not be Python: {_first_line(error)}") from None
    assert isinstance(changed, cst.Module)
    return changed.code


class _Editor(cst.CSTTransformer):
    def __init__(self, placed: _Placed, line: ImportLine | None) -> None:
        super().__init__()
        self._placed = placed
        self._line = line
        self._kept: dict[cst.CSTNode, cst.CSTNode] = {}
        self._wanted = set(placed.holes.values())
        self._gone: set[cst.CSTNode] = set()

    def on_leave(self, original_node, updated_node):  # type: ignore[no-untyped-def]
        """Children come first: what stands in a hole is already rewritten."""
        updated: Any = super().on_leave(original_node, updated_node)
        for edit in sorted(self._placed.calls.get(original_node, ()), key=_order):
            updated = self._argument(original_node, updated, edit)
        names = self._placed.imports.get(original_node)
        if names is not None:
            return self._imported(original_node, updated, names)
        self._keep(original_node, updated)  # its own replacement may hold it
        replace = self._placed.replaces.get(original_node)
        if replace is not None:
            updated = self._replaced(updated, replace)
            self._keep(original_node, updated)
        return updated

    def _keep(self, original: cst.CSTNode, updated: cst.CSTNode) -> None:
        if original in self._wanted:
            self._kept[original] = updated

    def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:
        """Add the import."""
        if self._line is None:
            return updated_node
        before = original_node.body[: self._line.after + 1]
        kept = sum(1 for statement in before if not self._is_gone(statement))
        body = list(updated_node.body)
        body.insert(kept, _statement(self._line.code))
        return updated_node.with_changes(body=body)

    def _is_gone(self, statement: cst.CSTNode) -> bool:
        """A line of nothing but imports that are left out."""
        parts = getattr(statement, "body", ())
        is_line = isinstance(statement, cst.SimpleStatementLine)
        return is_line and all(part in self._gone for part in parts)

    def _imported(self, node: cst.CSTNode, updated: Any, names: frozenset[str]) -> Any:
        """The import without these names."""
        kept = [alias for alias in updated.names if _local_name(alias) not in names]
        if not kept:
            self._gone.add(node)
            return cst.RemoveFromParent()
        if kept[-1] is not updated.names[-1]:
            kept[-1] = kept[-1].with_changes(comma=updated.names[-1].comma)
        return updated.with_changes(names=kept)

    def _replaced(self, updated: cst.CSTNode, edit: Replace) -> cst.CSTNode:
        text = with_helper(edit.text, self._placed.helper)
        names = {hole: f"glia_hole_{i}_" for i, hole in enumerate(edit.holes)}
        new: cst.CSTNode = cst.parse_expression(text.format(**names))
        values = {
            names[hole]: self._kept[self._placed.holes[node]] for hole, node in edit.holes.items()
        }
        new = _filled(new, values)
        if isinstance(updated, cst.Assign):
            return cst.Expr(_expression(new), semicolon=updated.semicolon)
        parens = {"lpar": getattr(updated, "lpar", ()), "rpar": getattr(updated, "rpar", ())}
        return new.with_changes(**parens)

    def _argument(self, original: cst.CSTNode, updated: cst.Call, edit: Edit) -> cst.Call:
        if isinstance(edit, AddArgument):
            return _added(updated, with_helper(edit.text, self._placed.helper), edit.name)
        assert isinstance(original, cst.Call) and isinstance(edit, (DropArgument, NameArgument))
        wanted = self._placed.arguments[edit.value]
        index = next(i for i, arg in enumerate(original.args) if arg.value is wanted)
        if isinstance(edit, NameArgument):
            named = updated.args[index].with_changes(
                keyword=cst.Name(edit.name),
                equal=_EQUAL,
                value=_bracketed(updated.args[index].value),
            )
            return updated.with_changes(
                args=[*updated.args[:index], named, *updated.args[index + 1 :]]
            )
        return _dropped(updated, index)


def _order(edit: Edit) -> tuple[int, int, int]:
    """Names first, from the last argument on, so that none by place follows one by name."""
    if isinstance(edit, NameArgument):
        return (0, -edit.value.lineno, -edit.value.col_offset)
    return (1 if isinstance(edit, DropArgument) else 2, 0, 0)


_EQUAL = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))


def _added(call: cst.Call, text: str, name: str) -> cst.Call:
    """By place in front of the arguments by name, by name at the end, in the layout of the call."""
    new = cst.Arg(cst.parse_expression(text))
    args = list(call.args)
    if not name:
        place = next((i for i, a in enumerate(args) if a.keyword or a.star), len(args))
        if place < len(args):
            args.insert(place, new.with_changes(comma=_COMMA))
            return call.with_changes(args=args)
        return call.with_changes(args=[*args, new])
    new = new.with_changes(keyword=cst.Name(name), equal=_EQUAL)
    if not args:
        return call.with_changes(args=[new])
    last = args[-1]
    if isinstance(last.comma, cst.Comma):  # f(\n    a,\n    b,\n): one more line
        between = args[-2].comma if len(args) > 1 else _broken(call)
        args[-1] = last.with_changes(comma=between)
        new = new.with_changes(comma=last.comma)
    elif len(args) > 1 and _is_line(args[-2].comma):
        args[-1] = last.with_changes(
            comma=args[-2].comma, whitespace_after_arg=cst.SimpleWhitespace("")
        )
        new = new.with_changes(whitespace_after_arg=last.whitespace_after_arg)
    else:
        value = last.value
        if isinstance(value, cst.GeneratorExp) and not value.lpar:
            value = value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        args[-1] = last.with_changes(
            value=value, comma=_COMMA, whitespace_after_arg=cst.SimpleWhitespace("")
        )
        new = new.with_changes(whitespace_after_arg=last.whitespace_after_arg)
    return call.with_changes(args=[*args, new])


def _local_name(alias: cst.ImportAlias) -> str:
    if alias.asname is not None and isinstance(alias.asname.name, cst.Name):
        return alias.asname.name.value
    return alias.name.value if isinstance(alias.name, cst.Name) else ""


_COMMA = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))


def _is_line(comma: object) -> bool:
    """A comma that ends a line."""
    after = getattr(comma, "whitespace_after", None)
    return isinstance(after, cst.ParenthesizedWhitespace) and after.first_line.comment is None


def _broken(call: cst.Call) -> cst.Comma:
    """Of a call with one argument and a comma behind it: the break before it, once more."""
    before = call.whitespace_before_args
    if isinstance(before, cst.ParenthesizedWhitespace) and before.first_line.comment is None:
        return cst.Comma(whitespace_after=before)
    return _COMMA


def _dropped(call: cst.Call, index: int) -> cst.Call:
    args = list(call.args)
    gone = args.pop(index)
    if index == len(args) and args:  # it was the last: its comma, or none, ends the one before
        args[-1] = args[-1].with_changes(
            comma=gone.comma, whitespace_after_arg=gone.whitespace_after_arg
        )
    return call.with_changes(args=args)


def _expression(node: cst.CSTNode) -> cst.BaseExpression:
    assert isinstance(node, cst.BaseExpression)
    return node


def _bracketed(value: cst.BaseExpression) -> cst.BaseExpression:
    """Some values need brackets where they stood without: `f(x for x in y)`, `f(a := b)`."""
    needs = isinstance(value, (cst.NamedExpr, cst.GeneratorExp, cst.Yield))
    if needs and not value.lpar:
        return value.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return value


def _filled(node: cst.CSTNode, values: Mapping[str, cst.CSTNode]) -> cst.CSTNode:
    class Filler(cst.CSTTransformer):
        def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
            value = values.get(updated_node.value)
            if value is None:
                return updated_node
            return _bracketed(_expression(value))

    filled = node.visit(Filler())
    assert isinstance(filled, cst.CSTNode)
    return filled


def _statement(code: str) -> cst.SimpleStatementLine:
    line = cst.parse_statement(code)
    assert isinstance(line, cst.SimpleStatementLine)
    return line
