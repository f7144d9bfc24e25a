"""What the files of a project say together, and one alone does not: which functions a compiler
reads that cannot call the helper, and which classes have methods of their own that have the names
of PyTorch's.

Tests are read too: what they compile, the project promises to.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from glia.port.fix.deciding.compiled import Place, compiled_functions, mentions_a_compiler
from glia.port.scan import parse
from glia.port.source.hits import Hit
from glia.port.source.module import Module
from glia.port.source.names.tree import inside

_NAMES = ("cuda", "to", "pin_memory", "record_stream", "is_cuda")
_OWN = re.compile(
    r"\bdef +(?:cuda|to|pin_memory|record_stream|is_cuda)\b|\bcuda *=|['\"]cuda['\"] *,"
    r"|\bis_cuda *[:=]|--is[_-]cuda"
)
_FLAG = re.compile(r"\bdef +is_cuda\b|\.is_cuda *=[^=]|--is[_-]cuda|[(,] *is_cuda *=[^=]")
# Bases that bring neither `cuda` nor `to`.
_PLAIN_BASES = {
    "object", "ABC", "NamedTuple", "Protocol", "Generic", "TypedDict", "dict", "list", "tuple",
    "UserDict", "UserList", "OrderedDict", "Enum", "Exception",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Facts:
    """`compiled`: functions by their place, each with who reads it; `own`: by the name of a method
    of PyTorch's, the classes with one of their own, with file and line (`heir.to`: those that have
    a `cuda` from a base besides); `plain`: classes of modules that have none; `files`: the names
    under which the project's own files are imported."""

    compiled: dict[Place, str] = field(default_factory=dict)
    own: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
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
    own = {
        name: tuple(dict.fromkeys(found for module in modules for found in _own(module, name)))
        for name in (*_NAMES, "heir.to")
    }
    flags = tuple(name for name, text in known if _FLAG.search(text))
    own["is_cuda"] += flags
    return Facts(
        compiled_functions(modules) if compiles else {},
        own,
        _plain_modules(modules) if any(own.values()) else frozenset(),
        frozenset(files),
    )


def _plain_modules(modules: Sequence[Module]) -> frozenset[str]:
    """Names of classes that are modules of PyTorch by all their bases, with no own `cuda`, `to`."""
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
    if not node.bases or any(_defines(part, name) for part in node.body for name in ("cuda", "to")):
        return False
    names = (module.dotted(base) for base in node.bases)
    last = (getattr(base, "attr", getattr(base, "id", "")) for base in node.bases)
    return all(n.startswith("torch.nn.") or e in plain for n, e in zip(names, last, strict=True))


def _parsed(name: str, text: str) -> Module | None:
    try:
        return parse(name, text)
    except (SyntaxError, ValueError, RecursionError, MemoryError, SystemError):
        return None  # the file itself is told of where it is read to be rewritten


def _own(module: Module, name: str) -> Iterator[str]:
    """Classes that define a method, and what is given a function of its name."""
    only_heirs = name.startswith("heir.")
    name = name.rpartition(".")[2]
    functions = {n.name for n in module.nodes if isinstance(n, ast.FunctionDef)}
    for node in module.nodes:
        if isinstance(node, ast.ClassDef) and any(_defines(part, name) for part in node.body):
            if only_heirs and not _has_heritage(node):
                continue
            yield f"{node.name} ({module.path}:{node.lineno})"
        elif isinstance(node, ast.Assign) and _is_function(node.value, functions):
            if any(isinstance(t, ast.Attribute) and t.attr == name for t in node.targets):
                yield f"{ast.unparse(node.targets[0])} ({module.path}:{node.lineno})"
        elif isinstance(node, ast.Call) and _sets(node, name):
            yield f"{ast.unparse(node.args[0])} ({module.path}:{node.lineno})"


def _has_heritage(node: ast.ClassDef) -> bool:
    """It may have a `cuda` of a base."""
    bases = (base.value if isinstance(base, ast.Subscript) else base for base in node.bases)
    names = {getattr(base, "attr", getattr(base, "id", "?")) for base in bases}
    return not names <= _PLAIN_BASES


def _sets(call: ast.Call, name: str) -> bool:
    """`setattr(Batch, "cuda", move)`."""
    is_set = getattr(call.func, "id", "") == "setattr" and len(call.args) == 3
    return is_set and getattr(call.args[1], "value", "") == name


def _defines(part: ast.stmt, name: str) -> bool:
    if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return part.name == name
    if isinstance(part, ast.Assign):
        named = any(isinstance(t, ast.Name) and t.id == name for t in part.targets)
        return named and (name == "is_cuda" or not isinstance(part.value, ast.Constant))
    if isinstance(part, ast.AnnAssign):
        return name == "is_cuda" and getattr(part.target, "id", "") == name
    return isinstance(part, ast.If) and any(
        isinstance(n, ast.FunctionDef) and n.name == name for n in inside(part)
    )


def _is_function(value: ast.expr, functions: set[str]) -> bool:
    """A lambda, a function of the file, one that is bound."""
    if isinstance(value, ast.Call):
        called = getattr(value.func, "attr", getattr(value.func, "id", ""))
        return called in ("MethodType", "partial", "__get__", "partialmethod")
    return isinstance(value, ast.Lambda) or getattr(value, "id", "") in functions
