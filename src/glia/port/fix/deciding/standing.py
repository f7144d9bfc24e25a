"""Places that stay for where they stand: in a pattern, in a probe that is answered by an exception,
among names of kinds of devices, which would be one name on the CPU."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from glia.port.fix.rewriters.widening import OTHER_KINDS
from glia.port.rules.conditions import names_cuda
from glia.port.rules.rule import Rule
from glia.port.source.hits import Hit
from glia.port.source.module import Module

# PyTorch raises the first where it was built without CUDA, the second where there is no driver.
_RAISED = {"AssertionError", "RuntimeError", "Exception", "BaseException", ""}
_EXITS = {"exit", "quit", "_exit", "abort"}
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_DISPLAYS = (ast.List, ast.Tuple, ast.Set, ast.Dict)
_NAMES_KIND = "it names a kind of device among others, which would be one name on the CPU"
_PATTERN = "a pattern of `match` takes a constant here, and no call"
_PROBE = "its exception is caught: where CUDA is absent, that decides what runs"


def why_kept(hit: Hit, rule: Rule) -> str:
    """Why a place that could be rewritten stays; empty when nothing speaks against it."""
    if any(isinstance(outer, ast.pattern) for outer in hit.module.enclosing(hit.node)):
        return _PATTERN
    if rule.on["cpu"].effect == "raises" and _is_probe(hit):
        return _PROBE
    if hit.kind in ("string", "setting") and names_cuda(hit.key) and _names_kind(hit):
        return _NAMES_KIND
    return ""


# -- probes ----------------------------------------------------------------------------------------


def _is_probe(hit: Hit) -> bool:
    inner: ast.AST = hit.node
    for outer in hit.module.enclosing(hit.node):
        if isinstance(outer, _SCOPES) and inner in _body(outer):
            return False
        if inner in _body(outer) and _catches(outer):
            return True
        inner = outer
    return False


def _body(block: ast.AST) -> list[ast.AST]:
    body = getattr(block, "body", [])
    return body if isinstance(body, list) else [body]


def _catches(block: ast.AST) -> bool:
    if isinstance(block, ast.Try):
        return any(_swallows(handler) for handler in block.handlers)
    if isinstance(block, (ast.With, ast.AsyncWith)):
        return any(_suppresses(item.context_expr) for item in block.items)
    return False


def _swallows(handler: ast.ExceptHandler) -> bool:
    """It catches what PyTorch raises without CUDA, and goes on."""
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {"" if k is None else str(getattr(k, "attr", getattr(k, "id", "?"))) for k in kinds}
    return not names.isdisjoint(_RAISED) and not any(_leaves(n) for n in ast.walk(handler))


def _leaves(node: ast.AST) -> bool:
    called = getattr(node, "func", None)
    name = getattr(called, "attr", getattr(called, "id", ""))
    return isinstance(node, ast.Raise) or name in _EXITS


def _suppresses(call: ast.expr) -> bool:
    if not isinstance(call, ast.Call):
        return False
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    kinds = {getattr(arg, "attr", getattr(arg, "id", "")) for arg in call.args} - {""}
    return name == "suppress" and not kinds.isdisjoint(_RAISED)


# -- names of kinds --------------------------------------------------------------------------------


def _names_kind(hit: Hit) -> bool:
    inner: ast.AST = hit.node
    for outer in hit.module.enclosing(hit.node):
        if isinstance(outer, _DISPLAYS) and _names_others(hit, outer, inner):
            return True
        if isinstance(outer, ast.Call) and _is_registered(hit, outer, inner):
            return True
        if isinstance(outer, (ast.Assign, ast.AnnAssign)):
            return _is_constant_of_kind(hit.module, outer)
        if isinstance(outer, ast.stmt):
            return isinstance(outer, ast.Match)  # it is what the patterns are held against
        inner = outer
    return False


def _names_others(hit: Hit, display: ast.AST, inner: ast.AST) -> bool:
    """`[{"device": "cuda"}, {"device": "cpu"}]`: another part has the CPU at the same place."""
    others = [part for part in ast.iter_child_nodes(display) if part is not inner]
    if isinstance(display, ast.Dict):
        return False  # one value has nothing to do with another; keys are labels
    return any(_is_other(n) for part in others for n in ast.walk(part))


def _is_registered(hit: Hit, call: ast.Call, inner: ast.AST) -> bool:
    """`@register("cuda")`, and `add("cuda", f)` beside `add("cpu", g)`."""
    if inner is call.func or hit.module.dotted(call.func).startswith("torch."):
        return False
    owner = hit.module.parents.get(call)
    if isinstance(owner, (*_SCOPES,)) and call in getattr(owner, "decorator_list", ()):
        return True
    name = ast.unparse(call.func)
    if isinstance(call.func, ast.Attribute) and call.func.attr in ("to", "set_device"):
        return False
    place = call.args.index(inner) if inner in call.args else getattr(inner, "arg", None)
    alike = (n for n in hit.module.nodes if isinstance(n, ast.Call) and n is not call)
    return any(
        _is_other(_argument(other, place)) for other in alike if ast.unparse(other.func) == name
    )


def _argument(call: ast.Call, place: int | str | None) -> ast.AST | None:
    if isinstance(place, int):
        return call.args[place] if place < len(call.args) else None
    return next((k.value for k in call.keywords if place and k.arg == place), None)


def _is_other(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value in OTHER_KINDS


def _is_constant_of_kind(module: Module, given: ast.Assign | ast.AnnAssign) -> bool:
    """A member of an Enum, `DEVICE_CUDA` beside `DEVICE_CPU = "cpu"`, a name that is a key."""
    around = module.parents.get(given)
    if isinstance(around, ast.ClassDef):
        bases = (getattr(base, "attr", getattr(base, "id", "")) for base in around.bases)
        if any("Enum" in base for base in bases):
            return True
    if given.value is None or not names_cuda(module.string(given.value)):
        return False
    names = list(_targets([given]))
    if any("cuda" in name.lower() or "gpu" in name.lower() for name in names):
        beside = getattr(around, "body", [])
        others = [s for s in beside if isinstance(s, (ast.Assign, ast.AnnAssign))]
        if any(_is_other(other.value) for other in others):
            return True
    return any(_is_key(module, name) for name in names)


def _targets(statements: Iterable[ast.Assign | ast.AnnAssign]) -> Iterator[str]:
    for statement in statements:
        found = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        yield from (n.id for n in found if isinstance(n, ast.Name))


def _is_key(module: Module, name: str) -> bool:
    """`{DEVICE: 1}`, `options[DEVICE]`, `options.get(DEVICE)`, `match DEVICE:`."""
    for node in module.nodes:
        if not (isinstance(node, ast.Name) and node.id == name):
            continue
        outer = module.parents.get(node)
        if isinstance(outer, ast.Dict) and node in outer.keys:
            return True
        if isinstance(outer, ast.Subscript) and outer.slice is node:
            return True
        if isinstance(outer, ast.Match):
            return True
        if isinstance(outer, ast.Call) and outer.args[:1] == [node]:
            called = getattr(outer.func, "attr", "")
            if called in ("get", "pop", "setdefault", "register"):
                return True
    return False
