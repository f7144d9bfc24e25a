"""Where the absence of CUDA, or of a package, is expected: handlers, `suppress`, skipped tests."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from glia.port.source.conditions.outcomes import (
    CAUGHT,
    NEVER,
    NOTHING,
    PACKAGE,
    PORTABLE,
    Outcomes,
    both,
    either,
    own_nodes,
)
from glia.port.source.module import Module
from glia.port.source.names.bindings import Given

_MISSING = {"ImportError", "ModuleNotFoundError"}
# PyTorch raises the first where it was built without CUDA, the second where there is no driver.
_WITHOUT_CUDA = {"AssertionError", "RuntimeError"}
_ANYTHING = {"Exception", "BaseException", ""}
_IMPORTS = (ast.Import, ast.ImportFrom)
_EXITS = {"exit", "quit", "_exit", "abort"}
_SIMPLE = (ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return)
_DEEPEST = 4


def caught(module: Module, outer: ast.Try | ast.With | ast.AsyncWith, inner: ast.AST) -> int:
    """What a handler around `inner` expects to be absent.

    One that ends the program expects nothing. A handler for everything may be about anything: it
    counts for an import, and for a single statement.
    """
    if isinstance(outer, ast.Try):
        if inner in outer.orelse:
            absent = any(_names(h.type) & _MISSING for h in outer.handlers)
            return PACKAGE if absent and all(isinstance(s, _IMPORTS) for s in outer.body) else 0
        if inner not in outer.body:
            return NOTHING
        kinds = [_names(h.type) for h in outer.handlers if not _ends(h)]
    else:
        calls = [item.context_expr for item in outer.items]
        kinds = [_suppressed(call) for call in calls if isinstance(call, ast.Call)]
        kinds = [kind for kind in kinds if kind]
    names = {name for kind in kinds for name in kind}
    if names & _MISSING:
        return NOTHING if _imports_portable(outer.body) else PACKAGE
    if names & _ANYTHING and isinstance(inner, _IMPORTS):
        return PACKAGE
    is_single = len(outer.body) == 1 and isinstance(inner, _SIMPLE)
    is_expected = names >= _WITHOUT_CUDA or (is_single and bool(names & _ANYTHING))
    return CAUGHT if is_expected and inner in outer.body else NOTHING


def _names(caught_type: ast.expr | None) -> set[str]:
    """The exceptions of a handler; the empty name stands for all."""
    if caught_type is None:
        return {""}
    kinds = caught_type.elts if isinstance(caught_type, ast.Tuple) else [caught_type]
    return {str(getattr(kind, "attr", getattr(kind, "id", "?"))) for kind in kinds}


def _suppressed(call: ast.Call) -> set[str]:
    """The exceptions of `contextlib.suppress(...)`."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    return {n for arg in call.args for n in _names(arg)} if name == "suppress" else set()


def _ends(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    if isinstance(last, ast.Raise):
        return True
    call = last.value if isinstance(last, ast.Expr) else None
    name = getattr(
        getattr(call, "func", None), "attr", getattr(getattr(call, "func", None), "id", "")
    )
    return name in _EXITS


def _imports_portable(body: Iterable[ast.stmt]) -> bool:
    """All that is imported is there on every machine."""
    roots = [
        name.split(".")[0]
        for statement in body
        if isinstance(statement, _IMPORTS)
        for name in (
            [statement.module or "."]
            if isinstance(statement, ast.ImportFrom)
            else [alias.name for alias in statement.names]
        )
    ]
    return bool(roots) and all(root in PORTABLE for root in roots)


# -- tests that are skipped -----------------------------------------------------------------------


def skipped_unless(
    module: Module, outcomes: Outcomes, marks: Sequence[ast.expr], depth: int = 0
) -> int:
    """What must be so for a test under these decorators, or marks of pytest, not to be skipped."""
    return both(_unless(module, outcomes, mark, depth) for mark in marks)


def _unless(module: Module, outcomes: Outcomes, mark: ast.expr, depth: int) -> int:
    if depth > _DEEPEST:
        return NOTHING
    if isinstance(mark, (ast.List, ast.Tuple)):
        return skipped_unless(module, outcomes, mark.elts, depth + 1)
    call = mark if isinstance(mark, ast.Call) else None
    func = call.func if call is not None else mark
    name = getattr(func, "attr", getattr(func, "id", ""))
    if call is not None and name in ("skipif", "skipIf", "skipUnless"):
        conditions = [*call.args[:1], *(k.value for k in call.keywords if k.arg == "condition")]
        return both(outcomes.facts(c, name == "skipUnless") for c in conditions)
    if call is not None and name == "skip":
        return NEVER
    if isinstance(func, ast.Call):  # `unittest.skipUnless(...)(test)`
        return _unless(module, outcomes, func, depth + 1)
    if isinstance(func, ast.Name):
        given = outcomes.bindings.of(func, func.id)
        if given and not any(g.is_import for g in given):
            return either(_given(module, outcomes, g, depth + 1) for g in given)
    key = module.project_name(func)
    return module.elsewhere(f"@{key}", True) if key else NOTHING


def _given(module: Module, outcomes: Outcomes, given: Given, depth: int) -> int:
    """A mark by its name, or a decorator of the project."""
    if given.value is not None:
        return _unless(module, outcomes, given.value, depth)
    return skipped_by(module, outcomes, given.node, depth)


def skipped_by(module: Module, outcomes: Outcomes, function: ast.AST, depth: int = 0) -> int:
    """What must be so for a decorator of the project to leave a test as it is."""
    if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return NOTHING
    found = [
        _unless(module, outcomes, node.value, depth + 1) | outcomes.place(node, function)
        for node in own_nodes(function)
        if isinstance(node, ast.Return) and node.value is not None
    ]
    return either(found) if found else NOTHING
