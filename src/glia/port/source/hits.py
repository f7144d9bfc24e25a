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
    test       if, while, assert, for       a condition, or what a loop runs over
    function   convert_checkpoint           a function that is defined

One walk of the tree yields them all, so that the number of rules costs nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

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


Wanted = Callable[[Kind, str], bool]


def hits(module: Module, wanted: Wanted = lambda kind, key: True) -> Iterator[Hit]:
    """Every place of the module in reading order, or those under a kind and key that is `wanted`.

    To ask first is quicker: few of the names of a file are those that a rule looks for.
    """
    names = module.names
    for node in module.nodes:
        if node.__class__ is ast.Name and node.id not in names and node.id not in _BUILTINS:
            continue  # the greater part, and nothing to any rule
        places = _PLACES.get(node.__class__)
        if places is None:
            continue
        for kind, key, place, call in places(module, node):
            if wanted(kind, key):
                yield Hit(kind, key, module, place, call)


# What a kind of node gives: kind, key, node and call of each hit.
_Found = tuple[Kind, str, ast.AST, ast.Call | None]
_Places = Iterable[_Found]


def _import(module: Module, node: ast.Import) -> _Places:
    return [("import", alias.name, node, None) for alias in node.names]


def _import_from(module: Module, node: ast.ImportFrom) -> _Places:
    if not node.module or node.level:
        return ()
    return [("import", f"{node.module}.{alias.name}", node, None) for alias in node.names]


def _name(module: Module, node: ast.Name) -> _Places:
    """An import that is read, or a builtin; what is only part of a dotted name is told by that."""
    name = node.id
    parent = module.parents.get(node)
    if parent.__class__ is ast.Attribute or node.ctx.__class__ is not ast.Load:
        return ()
    call = _called(parent, node)
    if call is None and any(isinstance(value, ast.Attribute) for value in module.assigned(name)):
        return ()  # another name of what is told where it is given: `kind = ProfilerActivity.CUDA`
    return [("use", module.names.get(name, name), node, call)]


def _attribute(module: Module, node: ast.Attribute) -> _Places:
    """The whole of a dotted name, not its parts; switches that are set count as read."""
    parent = module.parents.get(node)
    if parent.__class__ is ast.Attribute:
        return ()
    call = _called(parent, node)
    dotted = module.dotted(node)
    if dotted:
        return [("use", dotted, node, call)]
    return [("attribute" if call is None else "method", node.attr, node, call)]


def _called(parent: ast.AST | None, node: ast.AST) -> ast.Call | None:
    return parent if isinstance(parent, ast.Call) and parent.func is node else None


def _call(module: Module, node: ast.Call) -> _Places:
    return [("keyword", k.arg, k, node) for k in node.keywords if k.arg is not None]


def _text(module: Module, node: ast.Constant | ast.JoinedStr) -> _Places:
    if isinstance(node, ast.Constant) and node.value.__class__ is not str:
        return ()
    parent = module.parents.get(node)
    if isinstance(parent, (ast.Expr, ast.JoinedStr, ast.FormattedValue)):
        return ()  # a docstring, or a part of a text
    text = module.string(node)
    if text is None or len(text) >= _LONGEST or "\n" in text:
        return ()
    return [("string", text, node, _argument_of(module, node))]


def _subscript(module: Module, node: ast.Subscript) -> _Places:
    return [("index", "load" if isinstance(node.ctx, ast.Load) else "store", node, None)]


def _operation(module: Module, node: ast.BinOp) -> _Places:
    operator = _OPERATORS.get(node.op.__class__)
    return () if operator is None else [("operator", operator, node, None)]


def _in_place(module: Module, node: ast.AugAssign) -> _Places:
    return [("operator", "+=", node, None)]


def _if(module: Module, node: ast.If | ast.IfExp) -> _Places:
    return [("test", "if", node.test, None)]


def _while(module: Module, node: ast.While) -> _Places:
    return [("test", "while", node.test, None)]


def _assert(module: Module, node: ast.Assert) -> _Places:
    return [("test", "assert", node.test, None)]


def _for(module: Module, node: ast.For) -> _Places:
    return [("test", "for", node.iter, None)]


def _function(module: Module, node: ast.FunctionDef | ast.AsyncFunctionDef) -> _Places:
    return [("function", node.name, node, None)]


def _setting(module: Module, node: ast.AST) -> _Places:
    return [("setting", name, value, None) for name, value in _settings(node)]


_PLACES: dict[type[ast.AST], Callable[[Module, Any], _Places]] = {
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.Constant: _text,
    ast.JoinedStr: _text,
    ast.Subscript: _subscript,
    ast.BinOp: _operation,
    ast.AugAssign: _in_place,
    ast.If: _if,
    ast.IfExp: _if,
    ast.While: _while,
    ast.Assert: _assert,
    ast.For: _for,
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.arguments: _setting,
    ast.Assign: _setting,
    ast.AnnAssign: _setting,
    ast.Dict: _setting,
}


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


def _argument_of(module: Module, node: ast.AST) -> ast.Call | None:
    parent = module.parents.get(node)
    if isinstance(parent, ast.keyword):
        parent = module.parents.get(parent)
    return parent if isinstance(parent, ast.Call) and parent.func is not node else None


_BUILTINS = {"float", "int", "bool", "print"}  # calls of these may read a tensor
_LONGEST = 200  # longer texts are prose
