"""Reads a kernel file and applies the rules to what the compiler would read of it.

That is: each kernel, the functions of the file that it calls or hands on, the classes that it uses,
and the imports at the top. Functions of other files are not followed.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from glia.core.errors import ModelError
from glia.core.kernel_records import SubsetFinding
from glia.nki.subset.rule import Hit, Rule, Scope
from glia.nki.subset.rules import RULES
from glia.nki.subset.scopes import unbound, wrong_attributes

_LOOPS = ("fori_loop", "while_loop")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Definition = _Function | ast.ClassDef


@dataclass(frozen=True, slots=True)
class SourceKernel:
    """A kernel as it stands in the file."""

    name: str
    signature: str
    line: int
    findings: tuple[SubsetFinding, ...]


TOO_DEEP = (
    "got an expression nested too deeply for Python's parser, expected one it can read; split it"
)


def place(path: Path | str, error: SyntaxError) -> str:
    """File, line and column of an error, as far as Python knows them."""
    known = (n for n in (error.lineno, error.offset) if n is not None and n > 0)
    return ":".join(map(str, (path, *known)))


def check_source(path: Path, shown: str = "") -> tuple[SourceKernel, ...]:
    """Every kernel of a file with what the compiler would refuse, in the order of the file.

    `shown` is how findings name the file (the path unless given).

    Raises:
        ModelError: when the file does not parse, with line and column.
    """
    try:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(path.read_bytes(), filename=str(path))
    except SyntaxError as error:
        line = f" in `{error.text.strip()}`" if error.text else ""
        raise ModelError(
            f"reading {path}: got SyntaxError: {error.msg}{line}, "
            f"at {place(path, error)}; mend that line"
        ) from None
    except (MemoryError, RecursionError):
        raise ModelError(f"reading {path}: {TOO_DEEP}") from None
    except (UnicodeDecodeError, ValueError) as error:
        raise ModelError(f"reading {path}: got {error}, expected Python source in UTF-8") from None
    return _Source(tree, text.splitlines(), shown or str(path)).kernels()


class _Source:
    """A parsed file: its definitions by name, its kernels, what its imports are called."""

    def __init__(self, tree: ast.Module, lines: list[str], file: str) -> None:
        self._tree, self._lines, self._file = tree, lines, file
        self._modules = tuple(_modules(tree))
        self._defined: dict[str, _Definition] = {
            node.name: node
            for node in _top_level(tree)
            if isinstance(node, (*_FUNCTIONS, ast.ClassDef))
        }
        self._decorated = frozenset(self._decorated_names())
        self._kernels = self._decorated | frozenset(self._wrapped_names())
        self._unbound = unbound(tree)
        self._module = Scope("module", "", self._decorated, self._modules)

    def _decorated_names(self) -> Iterator[str]:
        scope = Scope("module", "", modules=self._modules)
        for node in self._defined.values():
            decorators = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
            if any(_is_jit(scope.called(d)) for d in decorators):
                yield node.name

    def _wrapped_names(self) -> Iterator[str]:
        """Functions that Python hands to `nki.jit`."""
        scope = Scope("module", "", modules=self._modules)
        for call in ast.walk(self._tree):
            if isinstance(call, ast.Call) and _is_jit(scope.called(call.func)) and call.args:
                first = call.args[0]
                if isinstance(first, ast.Name) and first.id in self._defined:
                    yield first.id

    def kernels(self) -> tuple[SourceKernel, ...]:
        """All kernels in the order of the file."""
        shared = tuple(self._import_findings())
        found = []
        for name, node in self._defined.items():
            if name in self._kernels and isinstance(node, _FUNCTIONS):
                own = [f for hits in self._read(name) for f in hits]
                findings = sorted({*shared, *own}, key=lambda f: (f.line, f.column, f.rule))
                signature = f"({ast.unparse(node.args)})"
                kernel = tuple(dataclasses.replace(f, kernel=name) for f in findings)
                found.append(SourceKernel(name, signature, node.lineno, kernel))
        return tuple(found)

    def _import_findings(self) -> Iterator[SubsetFinding]:
        for node in _top_level(self._tree):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                yield from self._hits(node, self._module)

    def _read(self, kernel: str) -> Iterator[Iterator[SubsetFinding]]:
        """Findings of the kernel, then of every definition that it reaches."""
        waiting, seen = [kernel], {kernel}
        while waiting:
            name = waiting.pop(0)
            definition = self._defined[name]
            yield self._definition(definition, "kernel" if name == kernel else "helper")
            for used in ast.walk(definition):
                if isinstance(used, ast.Name) and used.id in self._defined and used.id not in seen:
                    seen.add(used.id)
                    if used.id not in self._kernels:
                        waiting.append(used.id)

    def _definition(self, node: _Definition, kind: str) -> Iterator[SubsetFinding]:
        if isinstance(node, ast.ClassDef):
            scope = Scope("class", node.name, self._decorated, self._modules)
            yield from self._hits(node, scope)
            for method in node.body:
                if isinstance(method, _FUNCTIONS):
                    yield from self._definition(method, "helper")
            return
        wrong = wrong_attributes(node, self._module.called, kind == "kernel")
        scope = Scope(
            "kernel" if kind == "kernel" else "helper",
            node.name,
            self._decorated,
            self._modules,
            _loop_bodies(node),
            self._unbound,
            wrong,
        )
        for one in _compiled(node):
            yield from self._hits(one, scope)

    def _hits(self, node: ast.AST, scope: Scope) -> Iterator[SubsetFinding]:
        for rule in RULES:
            for hit in rule.find(node, scope):
                yield self._finding(rule, hit)

    def _finding(self, rule: Rule, hit: Hit) -> SubsetFinding:
        line = getattr(hit.node, "lineno", 0)
        column = getattr(hit.node, "col_offset", -1) + 1
        what = f"got {hit.what}: {rule.what}" if hit.what else f"got {rule.what}"
        code = self._lines[line - 1].strip() if 0 < line <= len(self._lines) else ""
        return SubsetFinding(
            rule.name,
            hit.severity or rule.severity,
            self._file,
            line,
            column,
            "",
            what,
            rule.do,
            code,
        )


def _top_level(node: ast.AST) -> Iterator[ast.AST]:
    """The statements of a module, those under `if`, `try` and `with` too."""
    for child in ast.iter_child_nodes(node):
        yield child
        if isinstance(child, (ast.If, ast.Try, ast.With, ast.ExceptHandler)):
            yield from _top_level(child)


def _is_jit(name: str) -> bool:
    return name == "nki.jit"


def _modules(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """What each imported name stands for, as (`nl`, `nki.language`)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    yield alias.asname, _current(alias.name)
                else:
                    yield alias.name.split(".")[0], alias.name.split(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                yield alias.asname or alias.name, _current(f"{node.module}.{alias.name}")


def _current(module: str) -> str:
    """A module of the public API by its name of today, whichever package it was imported from."""
    for package in ("neuronxcc.", "glia."):
        if module.startswith(f"{package}nki"):
            return module.removeprefix(package)
    return module


def _loop_bodies(function: _Function) -> frozenset[str]:
    """Functions that are handed to a device loop as its body."""
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in _LOOPS:
            arguments = (*node.args, *(k.value for k in node.keywords))
            found |= {a.id for a in arguments if isinstance(a, ast.Name)}
    return frozenset(found)


def _compiled(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that the compiler reads: no annotations, and decorators only as part of a `def`."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_comment"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _compiled(child)
