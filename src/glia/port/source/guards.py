"""Code that already asks first: what stands behind `if torch.cuda.is_available()` and the like.

A guarded finding does not stop a run elsewhere; it says what will be skipped there.
"""

from __future__ import annotations

import ast
import re
from typing import Literal

from glia.port.source.module import Module

Guard = Literal["", "cuda", "import", "typing"]

_ASKS = ("torch.cuda.is_available", "torch.cuda.device_count", "torch.version.cuda")
# What projects call their questions for a package, and what they call the answers.
_AVAILABLE = re.compile(r"_?(?:is|has|have)_\w+_(?:available|installed)|_?(?:is|has)_package\w*")
_FLAG = re.compile(r"_?(?:HAS|HAVE|WITH)_[A-Z0-9_]+|_?[A-Z0-9_]+_(?:AVAILABLE|INSTALLED)")
_DEEPEST = 8  # names are followed that far: `ok = ok and ...` leads to itself
_MISSING = {"ImportError", "ModuleNotFoundError"}


def guard_of(module: Module, node: ast.AST) -> Guard:
    """What protects a node: `cuda` (it runs only where CUDA is), `import` (it may be absent),
    `typing` (it never runs), or nothing."""
    inner = node
    for outer in module.enclosing(node):
        if isinstance(outer, (ast.If, ast.IfExp)):
            found = _of_branch(module, outer, inner)
            if found:
                return found
        elif isinstance(outer, ast.BoolOp) and isinstance(outer.op, ast.And):
            before = outer.values[: outer.values.index(inner)] if inner in outer.values else []
            if any(asks_for_cuda(module, value) for value in before):
                return "cuda"
        elif _left_before(module, outer, inner):
            return "cuda"
        elif isinstance(outer, ast.Try) and inner in outer.body and _expects_absence(outer, inner):
            return "import"
        inner = outer
    return ""


def _left_before(module: Module, outer: ast.AST, inner: ast.AST) -> bool:
    """Behind `if not torch.cuda.is_available(): return` (or `continue`) of the same block.

    What raises instead is no guard: there the whole program wants CUDA.
    """
    body = getattr(outer, "body", None)
    if not isinstance(body, list) or inner not in body:
        return False
    for statement in body[: body.index(inner)]:
        if not isinstance(statement, ast.If) or statement.orelse:
            continue
        test = statement.test
        if not isinstance(statement.body[-1], (ast.Return, ast.Continue)):
            continue
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):  # noqa: SIM102
            if asks_for_cuda(module, test.operand):
                return True
    return False


def _of_branch(module: Module, outer: ast.If | ast.IfExp, inner: ast.AST) -> Guard:
    body = outer.body if isinstance(outer.body, list) else [outer.body]
    orelse = outer.orelse if isinstance(outer.orelse, list) else [outer.orelse]
    test = outer.test
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        body, test = orelse, test.operand
    if inner not in body:
        return ""
    if asks_for_cuda(module, test):
        return "cuda"
    if _asks_for_package(module, test):
        return "import"
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return "typing" if name == "TYPE_CHECKING" else ""


def asks_for_cuda(module: Module, test: ast.expr, depth: int = 0) -> bool:
    """True when a condition holds only where CUDA is."""
    if depth > _DEEPEST:
        return False
    if isinstance(test, ast.BoolOp):
        check = any if isinstance(test.op, ast.And) else all
        return check(asks_for_cuda(module, value, depth + 1) for value in test.values)
    if isinstance(test, ast.Compare):
        return _compares(module, test)
    if isinstance(test, ast.Call):
        return module.dotted(test.func) in _ASKS
    if isinstance(test, ast.Name):
        values = module.assigned(test.id)
        return len(values) == 1 and asks_for_cuda(module, values[0], depth + 1)
    if isinstance(test, ast.Attribute):
        if test.attr == "is_cuda" or module.dotted(test) in _ASKS:
            return True
        values = module.assigned_to_attribute(test.attr)  # `self.use_cuda`, `args.cuda`
        return len(values) == 1 and asks_for_cuda(module, values[0], depth + 1)
    return False


def _asks_for_package(module: Module, test: ast.expr, depth: int = 0) -> bool:
    """`is_xformers_available()`, `find_spec("apex") is not None`, `HAS_TRITON`, and parts of it."""
    if depth > _DEEPEST:
        return False
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return any(_asks_for_package(module, value, depth + 1) for value in test.values)
    if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.IsNot):
        test = test.left
    if isinstance(test, ast.Call):
        name = str(getattr(test.func, "attr", getattr(test.func, "id", "")))
        return name == "find_spec" or _AVAILABLE.fullmatch(name) is not None
    if isinstance(test, ast.Name):
        if _FLAG.fullmatch(test.id):
            return True
        values = module.assigned(test.id)
        return len(values) == 1 and _asks_for_package(module, values[0], depth + 1)
    return False


def _compares(module: Module, test: ast.Compare) -> bool:
    """`x.device.type == "cuda"`, `device_count() > 0`, `"cuda" in str(device)`."""
    sides = [test.left, *test.comparators]
    if any(isinstance(op, (ast.NotEq, ast.NotIn, ast.IsNot)) for op in test.ops):
        return False
    if any((module.string(side) or "").startswith("cuda") for side in sides):
        return True
    return any(isinstance(s, ast.Call) and module.dotted(s.func) in _ASKS for s in sides)


def _expects_absence(outer: ast.Try, inner: ast.AST) -> bool:
    """A handler for a missing package; one for everything counts for the import itself only."""
    for handler in outer.handlers:
        caught = handler.type
        kinds = caught.elts if isinstance(caught, ast.Tuple) else [caught]
        names = {kind.id for kind in kinds if isinstance(kind, ast.Name)}
        if names & _MISSING:
            return True
        if caught is None or "Exception" in names:
            return isinstance(inner, (ast.Import, ast.ImportFrom))
    return False
