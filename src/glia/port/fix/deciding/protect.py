"""The questions that protect a place: the nodes that ask for CUDA, so that it runs only there."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from glia.port.source.conditions.guards import asks_for_cuda
from glia.port.source.module import Module

_QUESTIONS = ("torch.cuda.is_available", "torch.cuda.device_count", "torch.version.cuda")
_DEEPEST = 8


@dataclass(frozen=True, slots=True)
class Group:
    """The nodes that one condition asks with."""

    asked: frozenset[ast.AST]


def groups_of(module: Module, node: ast.AST) -> tuple[Group, ...]:
    """The conditions that hold only on CUDA and decide whether `node` runs, innermost first."""
    found = []
    inner = node
    for outer in module.enclosing(node):
        for test in _tests(outer, inner):
            if asks_for_cuda(module, test):
                found.append(Group(frozenset(_asked(module, test, 0))))
        inner = outer
    return tuple(found)


def _tests(outer: ast.AST, inner: ast.AST) -> Iterator[ast.expr]:
    """What must be true for `inner` to run, as far as `outer` says."""
    if isinstance(outer, (ast.If, ast.IfExp)):
        test: ast.expr = outer.test
        body: Any = outer.body
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            body, test = outer.orelse, test.operand
        if inner in (body if isinstance(body, list) else [body]):
            yield test
    elif isinstance(outer, ast.BoolOp) and isinstance(outer.op, ast.And) and inner in outer.values:
        yield from itertools.takewhile(lambda value: value is not inner, outer.values)
    else:
        statements = getattr(outer, "body", None)
        if isinstance(statements, list) and inner in statements:
            yield from _left_otherwise(statements[: statements.index(inner)])


def _left_otherwise(before: list[ast.stmt]) -> Iterator[ast.expr]:
    """`if not torch.cuda.is_available(): return`, in front of it."""
    for statement in before:
        if isinstance(statement, ast.If) and not statement.orelse:
            test = statement.test
            leaves = isinstance(statement.body[-1], (ast.Return, ast.Continue))
            if leaves and isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
                yield test.operand


def _asked(module: Module, test: ast.AST, depth: int) -> Iterator[ast.AST]:
    """The parts of a condition that name CUDA, through names that are given once."""
    if depth > _DEEPEST:
        return
    for node in ast.walk(test):
        if isinstance(node, ast.Attribute):
            if node.attr == "is_cuda" or module.dotted(node) in _QUESTIONS:
                yield node
        elif isinstance(node, ast.Name):
            if module.dotted(node) in _QUESTIONS:
                yield node
            values = module.assigned(node.id)
            if len(values) == 1 and asks_for_cuda(module, values[0]):
                yield from _asked(module, values[0], depth + 1)
        elif isinstance(node, ast.Constant) and str(node.value).startswith("cuda"):
            yield node


def is_shadowed(module: Module, node: ast.AST) -> bool:
    """True when the name that a place begins with is a parameter of a function around it."""
    root = node
    while isinstance(root, ast.Attribute):
        root = root.value
    if not isinstance(root, ast.Name) or root.id not in module.names:
        return False
    function = module.scopes.function_of(node)
    while function is not None:
        args = function.args
        given = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
        if any(arg is not None and arg.arg == root.id for arg in given):
            return True
        function = module.scopes.function_of(function)
    return False
