"""Edits of a syntax tree carried out on the text, which is otherwise kept to the last byte.

An edit that would lose a comment, or whose place the two trees of `layout` do not agree on, is not
done.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import libcst as cst

from glia.port.fix.editing.arguments import EQUAL, added, bracketed, dropped, order
from glia.port.fix.editing.edits import (
    AddArgument,
    DropArgument,
    DropImport,
    Edit,
    Fix,
    NameArgument,
    Replace,
    with_helper,
)
from glia.port.fix.editing.layout import Layout, Unplaced, first_line
from glia.port.fix.editing.lines import ImportLine, Lines
from glia.port.fix.editing.placing import Spots
from glia.port.source.module import Module


class Placer:
    """Edits with libcst's nodes in place of Python's; a fix is taken whole or not at all."""

    def __init__(self, module: Module, text: str, spots: Spots) -> None:
        self._module, self._text, self._spots = module, text, spots
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
        if fix.helper_names and (reason := self._spots.refusal(edit.node for edit in fix.edits)):
            return reason
        self._replaced.update(pair for pair in replaces if pair is not None)
        return ""

    def _check(self, edit: Edit) -> tuple[cst.CSTNode, Replace] | None:
        layout = self.layout
        node = layout.find(edit.node)
        if isinstance(edit, (DropArgument, NameArgument)):
            layout.find(edit.value)
        if isinstance(edit, DropArgument):
            _check_around(layout, edit)
        if not isinstance(edit, Replace):
            return None
        for hole in edit.holes.values():
            layout.find(hole)
        layout.check_comments(edit.node, edit.holes.values())
        if self._replaced.get(node, edit) != edit:
            raise Unplaced("another rule rewrites the same text")
        return node, edit


def _check_around(layout: Layout, edit: DropArgument) -> None:
    """No comment stands between the arguments before and behind one that goes."""
    call, at = edit.node, layout.span(edit.value)
    others = [call.func, *call.args, *(keyword.value for keyword in call.keywords)]
    spans = [layout.span(other) for other in others]
    first = max(span[2:] for span in spans if span[2:] <= at[:2])
    last = min((span[:2] for span in spans if span[:2] >= at[2:]), default=layout.span(call)[2:])
    layout.check_between(first, last)


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
    layout: Layout, edits: Sequence[Edit], helper: str, lines: Sequence[ImportLine] = ()
) -> str:
    """The new text.

    Raises:
        Unplaced: when an edit cannot be done without loss.
    """
    placed = _Placed(layout, edits, helper)
    try:
        changed = layout.wrapper.module.visit(_Editor(placed, Lines(layout, lines)))
    except cst.CSTValidationError as error:
        raise Unplaced(f"the new text would not be Python: {first_line(error)}") from None
    assert isinstance(changed, cst.Module)
    return changed.code


class _Editor(cst.CSTTransformer):
    def __init__(self, placed: _Placed, lines: Lines) -> None:
        super().__init__()
        self._placed = placed
        self._lines = lines
        self._kept: dict[cst.CSTNode, cst.CSTNode] = {}
        self._wanted = set(placed.holes.values())

    def on_leave(self, original_node, updated_node):  # type: ignore[no-untyped-def]
        """Children come first: what stands in a hole is already rewritten."""
        updated: Any = super().on_leave(original_node, updated_node)
        for edit in sorted(self._placed.calls.get(original_node, ()), key=order):
            updated = self._argument(original_node, updated, edit)
        names = self._placed.imports.get(original_node)
        if names is not None:
            return self._imported(original_node, updated, names)
        self._keep(original_node, updated)  # its own replacement may hold it
        replace = self._placed.replaces.get(original_node)
        if replace is not None:
            updated = self._replaced(updated, replace)
            self._keep(original_node, updated)
        return self._lines.added(original_node, updated)

    def _keep(self, original: cst.CSTNode, updated: cst.CSTNode) -> None:
        if original in self._wanted:
            self._kept[original] = updated

    def _imported(self, node: cst.CSTNode, updated: Any, names: frozenset[str]) -> Any:
        """The import without these names."""
        kept = [alias for alias in updated.names if _local_name(alias) not in names]
        if not kept:
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
            return added(updated, with_helper(edit.text, self._placed.helper), edit.name)
        assert isinstance(original, cst.Call) and isinstance(edit, (DropArgument, NameArgument))
        wanted = self._placed.arguments[edit.value]
        index = next(i for i, arg in enumerate(original.args) if arg.value is wanted)
        if isinstance(edit, NameArgument):
            named = updated.args[index].with_changes(
                keyword=cst.Name(edit.name),
                equal=EQUAL,
                value=bracketed(updated.args[index].value),
            )
            return updated.with_changes(
                args=[*updated.args[:index], named, *updated.args[index + 1 :]]
            )
        return dropped(updated, index)


def _local_name(alias: cst.ImportAlias) -> str:
    if alias.asname is not None and isinstance(alias.asname.name, cst.Name):
        return alias.asname.name.value
    return alias.name.value if isinstance(alias.name, cst.Name) else ""


def _expression(node: cst.CSTNode) -> cst.BaseExpression:
    assert isinstance(node, cst.BaseExpression)
    return node


def _filled(node: cst.CSTNode, values: Mapping[str, cst.CSTNode]) -> cst.CSTNode:
    class Filler(cst.CSTTransformer):
        def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
            value = values.get(updated_node.value)
            if value is None:
                return updated_node
            return bracketed(_expression(value))

    filled = node.visit(Filler())
    assert isinstance(filled, cst.CSTNode)
    return filled
