"""Where a file imports the helper, and under which name."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from glia.port.fix.engine import ImportLine
from glia.port.fix.layout import Layout
from glia.port.source.module import Module


def free_name(module: Module, name: str) -> str:
    """`name`, or with underscores in front while the file uses it for something else."""
    used = _names(module)
    while name in used:
        name = f"_{name}"
    return name


def _names(module: Module) -> set[str]:
    found: set[str] = set()
    for node in module.nodes:
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).split(".")[0])
    return found


def bound_as(module: Module, name: str) -> str | None:
    """The name under which the file imports the helper already, at its top."""
    for node in module.tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                if alias.name == name:
                    return alias.asname or name
    return None


def import_line(layout: Layout, code: str, places: Iterable[ast.AST]) -> ImportLine:
    """Behind the import of PyTorch, but in front of everything that needs the helper."""
    module = layout.module
    body = module.tree.body
    first_use = min(_top_line(module, node) for node in places)
    after = _index_of_torch(body)
    if after is None or (body[after].end_lineno or 0) >= first_use:
        after = _end_of_first_imports(body)
    if after >= 0 and (body[after].end_lineno or 0) >= first_use:
        after = _end_of_future(body)
    last_line = body[after].end_lineno or 0 if after >= 0 else 0
    return ImportLine(_index_in_text(layout, last_line), code)


def _top_line(module: Module, node: ast.AST) -> int:
    """The line where a place is first needed: code in functions runs after the file's top."""
    if module.scopes.function_of(node) is not None:
        return len(module.lines) + 1
    top = node
    for outer in module.enclosing(node):
        if not isinstance(outer, ast.Module):
            top = outer
    return getattr(top, "lineno", 1)


def _index_of_torch(body: list[ast.stmt]) -> int | None:
    """The last of the first run of statements that import PyTorch, also inside `try`."""
    for index, statement in enumerate(body):
        may = isinstance(statement, (ast.Import, ast.ImportFrom, ast.Try))
        if may and any(_imports_torch(node) for node in ast.walk(statement)):
            return _end_of_run(body, index)
    return None


def _imports_torch(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(alias.name.split(".")[0] == "torch" for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        return not node.level and (node.module or "").split(".")[0] == "torch"
    return False


def _end_of_run(body: list[ast.stmt], index: int) -> int:
    """The last import of the run of imports that begins here."""
    while index + 1 < len(body) and isinstance(body[index + 1], (ast.Import, ast.ImportFrom)):
        index += 1
    return index


def _end_of_future(body: list[ast.stmt]) -> int:
    """The docstring and the imports from __future__ come before everything; -1 without them."""
    last = -1
    for index, statement in enumerate(body):
        is_doc = index == 0 and isinstance(getattr(statement, "value", None), ast.Constant)
        if is_doc or getattr(statement, "module", "") == "__future__":
            last = index
    return last


def _end_of_first_imports(body: list[ast.stmt]) -> int:
    last = _end_of_future(body)
    if last + 1 < len(body) and isinstance(body[last + 1], (ast.Import, ast.ImportFrom)):
        return _end_of_run(body, last + 1)
    return last


def _index_in_text(layout: Layout, last_line: int) -> int:
    """libcst counts lines of statements, Python statements."""
    statements = layout.wrapper.module.body
    return max(
        (i for i, s in enumerate(statements) if layout.positions[s].start.line <= last_line),
        default=-1,
    )
