"""What the files of a project say together, and one alone does not: which functions a compiler
reads that cannot call the helper, and which classes have a method `cuda` of their own.

Tests are read too: what they compile, the project promises to.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from glia.port.fix.compiled import Place, compiled_functions, mentions_a_compiler
from glia.port.scan import parse
from glia.port.source.hits import Hit
from glia.port.source.module import Module
from glia.port.source.tree import inside

_OWN = re.compile(r"\bdef +cuda\b|\bcuda *=|['\"]cuda['\"] *,")


@dataclass(frozen=True, slots=True)
class Facts:
    """`compiled`: functions by their place, each with who reads it; `own_cuda`: classes with a
    `cuda` of their own, with file and line; `plain`: classes of modules that have none, where any
    has; `files`: the names under which the project's own files are imported."""

    compiled: dict[Place, str] = field(default_factory=dict)
    own_cuda: tuple[str, ...] = ()
    plain: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()

    def reader_of(self, hit: Hit) -> str:
        """The compiler that reads the code of a place, with file and line; empty for none."""
        inner: ast.AST = hit.node
        for outer in hit.module.enclosing(hit.node):
            if isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                place = (hit.module.path, outer.lineno, outer.col_offset)
                if place in self.compiled and not isinstance(inner, ast.arguments):
                    return self.compiled[place]
            inner = outer
        return ""


def gather(texts: Iterable[tuple[str, str]], root: Path) -> Facts:
    """The facts of all files, given their names and texts; what is not Python says nothing."""
    known = list(texts)
    files = {part for name, _ in known for part in PurePath(name).with_suffix("").parts}
    if root.is_file():
        files |= {beside.stem for beside in root.absolute().parent.iterdir()}
    compiles = any(mentions_a_compiler(text) for _, text in known)
    if not compiles and not any(_OWN.search(text) for _, text in known):
        return Facts(files=frozenset(files))
    modules = [module for name, text in known if (module := _parsed(name, text)) is not None]
    own = tuple(dict.fromkeys(own for module in modules for own in _own_cuda(module)))
    return Facts(
        compiled_functions(modules) if compiles else {},
        own,
        _plain_modules(modules) if own else frozenset(),
        frozenset(files),
    )


def _plain_modules(modules: Sequence[Module]) -> frozenset[str]:
    """Names of classes that are modules of PyTorch, by all their bases, without a `cuda`."""
    classes: dict[str, list[tuple[Module, ast.ClassDef]]] = {}
    for module in modules:
        for node in module.nodes:
            if isinstance(node, ast.ClassDef):
                classes.setdefault(node.name, []).append((module, node))
    plain: set[str] = set()
    while True:
        more = {
            name
            for name, found in classes.items()
            if name not in plain and all(_is_plain(*one, plain) for one in found)
        }
        if not more:
            return frozenset(plain)
        plain |= more


def _is_plain(module: Module, node: ast.ClassDef, plain: set[str]) -> bool:
    if not node.bases or any(_defines(part) for part in node.body):
        return False
    names = (module.dotted(base) for base in node.bases)
    last = (getattr(base, "attr", getattr(base, "id", "")) for base in node.bases)
    return all(n.startswith("torch.nn.") or e in plain for n, e in zip(names, last, strict=True))


def _parsed(name: str, text: str) -> Module | None:
    try:
        return parse(name, text)
    except (SyntaxError, ValueError, RecursionError, MemoryError, SystemError):
        return None  # the file itself is told of where it is read to be rewritten


def _own_cuda(module: Module) -> Iterator[str]:
    """Classes that define `cuda`, and what is given a function of that name."""
    functions = {n.name for n in module.nodes if isinstance(n, ast.FunctionDef)}
    for node in module.nodes:
        if isinstance(node, ast.ClassDef) and any(_defines(part) for part in node.body):
            yield f"{node.name} ({module.path}:{node.lineno})"
        elif isinstance(node, ast.Assign) and _is_function(node.value, functions):
            if any(isinstance(t, ast.Attribute) and t.attr == "cuda" for t in node.targets):
                yield f"{ast.unparse(node.targets[0])} ({module.path}:{node.lineno})"
        elif isinstance(node, ast.Call) and _sets_cuda(node):
            yield f"{ast.unparse(node.args[0])} ({module.path}:{node.lineno})"


def _sets_cuda(call: ast.Call) -> bool:
    """`setattr(Batch, "cuda", move)`."""
    is_set = getattr(call.func, "id", "") == "setattr" and len(call.args) == 3
    return is_set and getattr(call.args[1], "value", "") == "cuda"


def _defines(part: ast.stmt) -> bool:
    if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return part.name == "cuda"
    if isinstance(part, ast.Assign):
        named = any(isinstance(t, ast.Name) and t.id == "cuda" for t in part.targets)
        return named and not isinstance(part.value, ast.Constant)
    return isinstance(part, ast.If) and any(
        isinstance(n, ast.FunctionDef) and n.name == "cuda" for n in inside(part)
    )


def _is_function(value: ast.expr, functions: set[str]) -> bool:
    """A lambda, a function of the file, one that is bound."""
    if isinstance(value, ast.Call):
        called = getattr(value.func, "attr", getattr(value.func, "id", ""))
        return called in ("MethodType", "partial", "__get__", "partialmethod")
    return isinstance(value, ast.Lambda) or getattr(value, "id", "") in functions
