"""The places in a module where a rule may look, each under a kind and a key.

    import     flash_attn.flash_attn_func   a module or name that is imported
    use        torch.cuda.synchronize       a dotted name that is read or called
    method     cuda                         a call `x.cuda(...)` of something that is no import
    attribute  is_cuda                      `x.is_cuda` of something that is no import
    keyword    pin_memory                   `f(pin_memory=...)`
    string     cuda                         a text that is no prose: argument, default, value, ...

One walk of the tree yields them all, so that the number of rules costs nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from glia.port.source.module import Module

Kind = Literal["import", "use", "method", "attribute", "keyword", "string"]


@dataclass(frozen=True, slots=True)
class Hit:
    """One place. `call` is the call that `node` is the function of, or an argument of."""

    kind: Kind
    key: str
    module: Module
    node: ast.AST
    call: ast.Call | None = None

    def argument(self, name: str, position: int | None = None) -> ast.expr | None:
        """The argument of `call` given under this name, or at this position."""
        if self.call is None:
            return None
        for keyword in self.call.keywords:
            if keyword.arg == name:
                return keyword.value
        if position is not None and position < len(self.call.args):
            return self.call.args[position]
        return None


def hits(module: Module) -> Iterator[Hit]:
    """Every place of the module, in reading order of the tree."""
    for node in module.nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from _imports(module, node)
        elif isinstance(node, (ast.Attribute, ast.Name)):
            yield from _names(module, node)
        elif isinstance(node, ast.Call):
            yield from _keywords(module, node)
        elif isinstance(node, (ast.Constant, ast.JoinedStr)):
            yield from _strings(module, node)


def _imports(module: Module, node: ast.Import | ast.ImportFrom) -> Iterator[Hit]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Hit("import", alias.name, module, node)
    elif node.module and not node.level:
        for alias in node.names:
            yield Hit("import", f"{node.module}.{alias.name}", module, node)


def _names(module: Module, node: ast.Attribute | ast.Name) -> Iterator[Hit]:
    """The whole of a dotted name, not its parts; switches that are set count as read."""
    parent = module.parents.get(node)
    if isinstance(parent, ast.Attribute):
        return
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        return
    call = parent if isinstance(parent, ast.Call) and parent.func is node else None
    dotted = module.dotted(node)
    if dotted:
        yield Hit("use", dotted, module, node, call)
    elif isinstance(node, ast.Attribute):
        yield Hit("method" if call is not None else "attribute", node.attr, module, node, call)


def _keywords(module: Module, node: ast.Call) -> Iterator[Hit]:
    for keyword in node.keywords:
        if keyword.arg is not None:
            yield Hit("keyword", keyword.arg, module, keyword, node)


def _strings(module: Module, node: ast.Constant | ast.JoinedStr) -> Iterator[Hit]:
    parent = module.parents.get(node)
    if isinstance(parent, (ast.Expr, ast.JoinedStr, ast.FormattedValue)):
        return  # a docstring, or a part of a text
    text = module.string(node)
    if text is not None and "\n" not in text and len(text) < _LONGEST:
        yield Hit("string", text, module, node, _argument_of(module, node))


def _argument_of(module: Module, node: ast.AST) -> ast.Call | None:
    parent = module.parents.get(node)
    if isinstance(parent, ast.keyword):
        parent = module.parents.get(parent)
    return parent if isinstance(parent, ast.Call) and parent.func is not node else None


_LONGEST = 200  # longer texts are prose
