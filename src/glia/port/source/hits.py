"""The places in a module where a rule may look, each under a kind and a key.

    import     flash_attn.flash_attn_func   a module or name that is imported
    use        torch.cuda.synchronize       a dotted name that is read or called; a few builtins
    method     cuda                         a call `x.cuda(...)` of something that is no import
    attribute  is_cuda                      `x.is_cuda` of something that is no import
    keyword    pin_memory                   `f(pin_memory=...)`
    string     cuda                         a text that is no prose: argument, default, value, ...
    setting    pin_memory                   a name that is given a value elsewhere: a default, a
                                            variable, an entry of a dict; the node is the value
    index      load, store                  `x[...]` that is read, or written to
    operator   @, <<, >>, *, //, +=         of two operands; += stands for all that assign
    test       if, while, assert            a condition that decides what runs next
    function   convert_checkpoint           a function that is defined

One walk of the tree yields them all, so that the number of rules costs nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from glia.port.source.module import Module

Kind = Literal[
    "import", "use", "method", "attribute", "keyword", "string", "setting", "index", "operator",
    "test", "function",
]  # fmt: skip

_OPERATORS: dict[type[ast.operator], str] = {
    ast.MatMult: "@",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.Mult: "*",
    ast.FloorDiv: "//",
}


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
        elif isinstance(node, ast.Subscript):
            is_read = isinstance(node.ctx, ast.Load)
            yield Hit("index", "load" if is_read else "store", module, node)
        elif isinstance(node, ast.BinOp):
            if type(node.op) in _OPERATORS:
                yield Hit("operator", _OPERATORS[type(node.op)], module, node)
        elif isinstance(node, ast.AugAssign):
            yield Hit("operator", "+=", module, node)
        else:
            yield from _statements(module, node)


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
    dotted = module.dotted(node) or _builtin(node)
    if dotted:
        yield Hit("use", dotted, module, node, call)
    elif isinstance(node, ast.Attribute):
        yield Hit("method" if call is not None else "attribute", node.attr, module, node, call)


def _builtin(node: ast.Attribute | ast.Name) -> str:
    return node.id if isinstance(node, ast.Name) and node.id in _BUILTINS else ""


def _keywords(module: Module, node: ast.Call) -> Iterator[Hit]:
    for keyword in node.keywords:
        if keyword.arg is not None:
            yield Hit("keyword", keyword.arg, module, keyword, node)


def _statements(module: Module, node: ast.AST) -> Iterator[Hit]:
    if isinstance(node, (ast.If, ast.IfExp)):
        yield Hit("test", "if", module, node.test)
    elif isinstance(node, ast.While):
        yield Hit("test", "while", module, node.test)
    elif isinstance(node, ast.Assert):
        yield Hit("test", "assert", module, node.test)
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        yield Hit("function", node.name, module, node)
    else:
        for name, value in _settings(node):
            yield Hit("setting", name, module, value)


def _settings(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Defaults of parameters, assignments to a name or attribute, entries of a dict."""
    if isinstance(node, ast.arguments):
        places = [*node.posonlyargs, *node.args]
        split = len(places) - len(node.defaults)
        yield from zip((a.arg for a in places[split:]), node.defaults, strict=True)
        for arg, default in zip(node.kwonlyargs, node.kw_defaults, strict=True):
            if default is not None:
                yield arg.arg, default
    elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            name = getattr(target, "id", getattr(target, "attr", ""))
            if name:
                yield name, node.value
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, value


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


_BUILTINS = {"float", "int", "bool", "print"}  # calls of these may read a tensor
_LONGEST = 200  # longer texts are prose
