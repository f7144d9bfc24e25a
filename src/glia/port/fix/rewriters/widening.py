"""When a question for CUDA may become one for any accelerator: not where the code behind it, or
beside it, is meant for one kind of device."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from glia.port.fix.editing.edits import Refusal
from glia.port.source.hits import Hit
from glia.port.source.module import Module

_ACCELERATORS = (
    "xpu", "mps", "npu", "mlu", "hpu", "xla", "tpu", "neuron", "musa", "sdaa", "mtia", "hip",
    "rocm", "habana",
)  # fmt: skip
OTHER_KINDS = frozenset((*_ACCELERATORS, "cpu"))
_NAMES_ANOTHER = re.compile(rf"(?<![a-z])({'|'.join(_ACCELERATORS)})(?![a-z])")
_ONE_OF_SEVERAL = Refusal("the branches name one kind of device each; add one for the new kind")
_RETURNED = Refusal("the answer is handed out: what it decides is not seen here")


def against_widening(hit: Hit) -> Refusal | None:
    """Why a question must go on asking for CUDA; None when nothing speaks against it."""
    statement = _statement(hit)
    if isinstance(statement, (ast.Return, ast.Lambda)):
        return _RETURNED
    for site in _sites(hit, statement):
        if any(_NAMES_ANOTHER.search(ast.unparse(test).lower()) for test in _chain(hit, site)):
            return _ONE_OF_SEVERAL
        name = _call_for_cuda(hit.module, site)
        if name:
            return Refusal(f"it guards a call of {name}, which is meant for CUDA")
    return None


def _statement(hit: Hit) -> ast.AST | None:
    """The statement around a place, or the condition or lambda that it stands in."""
    inner: ast.AST = hit.node
    for outer in hit.module.enclosing(hit.node):
        if isinstance(outer, (ast.If, ast.IfExp, ast.While, ast.Assert)) and outer.test is inner:
            return outer
        if isinstance(outer, (ast.stmt, ast.Lambda)):
            return outer
        inner = outer
    return None


def _sites(hit: Hit, statement: ast.AST | None) -> Iterator[ast.If | ast.IfExp]:
    """The conditions that the answer decides, directly or by a name that it is given."""
    if isinstance(statement, (ast.If, ast.IfExp)):
        yield statement
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    names = {ast.unparse(target) for target in targets}
    for node in hit.module.nodes:
        if isinstance(node, (ast.If, ast.IfExp)):
            parts = (n for n in ast.walk(node.test) if isinstance(n, (ast.Name, ast.Attribute)))
            if any(ast.unparse(part) in names for part in parts):
                yield node


def _chain(hit: Hit, site: ast.If | ast.IfExp) -> Iterator[ast.expr]:
    """The conditions of `if`, `elif`, `elif` around and behind a site."""
    first: ast.If | ast.IfExp = site
    while (before := _before(hit.module, first)) is not None:
        first = before
    node: ast.AST | None = first
    while isinstance(node, (ast.If, ast.IfExp)):
        yield node.test
        rest = node.orelse
        node = (rest[0] if len(rest) == 1 else None) if isinstance(rest, list) else rest


def _before(module: Module, site: ast.If | ast.IfExp) -> ast.If | ast.IfExp | None:
    outer = module.parents.get(site)
    if isinstance(outer, ast.If):
        return outer if outer.orelse == [site] else None
    return outer if isinstance(outer, ast.IfExp) and outer.orelse is site else None


def _call_for_cuda(module: Module, site: ast.If | ast.IfExp) -> str:
    """A function with CUDA in its name that is called in the condition or in what it guards."""
    body = site.body if isinstance(site.body, list) else [site.body]
    for part in (site.test, *body):
        for node in ast.walk(part):
            if isinstance(node, ast.Call) and not module.dotted(node.func).startswith("torch."):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if "cuda" in name.lower() and name != "cuda":
                    return name
    return ""
