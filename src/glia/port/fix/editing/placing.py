"""Where a file imports the helper, and under which name.

The helper imports PyTorch. So it is imported where PyTorch is, never earlier: a file may set
variables of the environment in front of it, do without it, or import it in functions alone.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from glia.port.fix.editing.layout import Unplaced
from glia.port.fix.surroundings.neighbours import Site, always_run, imports_torch, sites_in
from glia.port.source.module import Module

_EARLY = "it runs before PyTorch is imported, and what stands between may have to come first"
_OPTIONAL = "the file can do without PyTorch, which the helper cannot"
_ABSENT = "PyTorch is not imported here: the helper would import it earlier than it is now"
# What is called or read of tensors, modules and devices: PyTorch is there then.
_OF_TENSORS = {"to", "cuda", "is_cuda", "pin_memory", "type", "to_empty", "record_stream"}
_READS = {"os.getenv", "os.environ.get"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Where:
    """A place for an import: beside a statement, or at the start of a function; of the file where
    the statement is None."""

    statement: ast.stmt | None
    side: Literal["before", "after", "inside"]


_TOP = Where(None, "after")  # stands for the one import at the top of the file


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
    """The name under which the file imports the helper already."""
    for node in module.nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                if alias.name == name:
                    return alias.asname or name
    return None


class Spots:
    """The places of one file where the helper can be imported. `brings` says which imports bring
    PyTorch, `helpers` under which names the project has its helper already."""

    def __init__(
        self, module: Module, brings: Callable[[Site], bool], helpers: Collection[str]
    ) -> None:
        self._module, self._brings, self._helpers = module, brings, helpers

    def refusal(self, nodes: Iterable[ast.AST]) -> str:
        """Why the helper cannot be imported for these places; empty when it can."""
        try:
            for node in nodes:
                self._of(node)
        except Unplaced as error:
            return str(error)
        return ""

    def places(self, nodes: Iterable[ast.AST], not_before: int = 0) -> list[Where]:
        """Where imports are missing, so that all these places have one. That at the top of the
        file comes behind line `not_before`.

        Raises:
            Unplaced: when there is no such place.
        """
        nodes = list(nodes)
        found = dict.fromkeys(where for node in nodes for where in self._of(node))
        if _TOP in found:
            found.pop(_TOP)
            return [self._top(nodes, not_before), *found]
        body = self._module.tree.body
        top = sorted(body.index(w.statement) for w in found if w.statement in body)
        return [w for w in found if w.statement not in body or w.statement is body[top[0]]]

    def first_use(self, nodes: Iterable[ast.AST]) -> int:
        """The first line of the file that needs the helper while the file is imported."""
        return min((self._line(node) for node in nodes), default=len(self._module.lines) + 1)

    # -- one place -------------------------------------------------------------------------------

    def _of(self, node: ast.AST) -> tuple[Where, ...]:
        """Where the imports for one place stand; none when it has one."""
        if self._has_helper(node):
            return ()
        if self._anchors:
            self._require_late(node)
            return (_TOP,)
        in_function = self._in_function(node)
        if in_function is not None:
            return (in_function,)
        if self._conditional:
            return self._behind_condition(node)
        if not self._is_of_tensor(node):
            raise Unplaced(_ABSENT)
        function = self._function(node)
        if function is not None:
            return (Where(function, "inside"),)
        return (Where(self._top_statement(node), "before"),)

    def _has_helper(self, node: ast.AST) -> bool:
        for statement in self._imports:
            if any(alias.name in self._helpers for alias in statement.names):
                function = self._function(statement)
                if function is not None and function not in self._module.enclosing(node):
                    continue
                late = function is None and self._module.scopes.function_of(node) is not None
                if late or (statement.end_lineno or 0) < getattr(node, "lineno", 0):
                    return True
        return False

    def _require_late(self, node: ast.AST) -> None:
        """Refuse a place in front of PyTorch, unless only plain statements stand between."""
        line = self._line(node)
        body = self._module.tree.body
        if any((body[index].end_lineno or 0) < line for index in self._anchors):
            return
        first = body.index(self._top_statement(node))
        if not all(_is_plain(s) for s in body[first : self._anchors[0]]):
            raise Unplaced(_EARLY)

    def _in_function(self, node: ast.AST) -> Where | None:
        """Behind PyTorch's import in a function around the place."""
        around = set(self._module.enclosing(node))
        line = getattr(node, "lineno", 0)
        for statement in self._imports:
            function = self._function(statement)
            if function not in around or not self._is_torch(statement):
                continue
            is_sure = self._module.parents.get(statement) in around or self._needs_torch(node)
            if is_sure and statement.lineno <= line:
                same = (statement.end_lineno or 0) >= line
                return Where(statement, "before" if same else "after")
        return None

    def _behind_condition(self, node: ast.AST) -> tuple[Where, ...]:
        """Inside of the `try` or `if` that imports PyTorch, for what cannot do without it."""
        around = set(self._module.enclosing(node))
        line = getattr(node, "lineno", 0)
        found: dict[int, Where] = {}
        for statement in self._conditional:
            block = self._module.parents[statement]
            if block in around and statement.lineno <= line:
                same = (statement.end_lineno or 0) >= line
                return (Where(statement, "before" if same else "after"),)
            if not _is_main(block):
                found.setdefault(_branch(block, statement), Where(statement, "after"))
        if found and self._needs_torch(node):
            return tuple(found.values())
        function = self._function(node)
        if not found and function is not None and self._is_of_tensor(node):
            return (Where(function, "inside"),)
        raise Unplaced(_OPTIONAL if found else _ABSENT)

    def _needs_torch(self, node: ast.AST) -> bool:
        """Without PyTorch the place would fail now: it is a tensor's, or PyTorch is named in its
        function or, outside of functions, in its statement."""
        if self._is_of_tensor(node):
            return True
        outer: ast.AST = node
        function = None
        for outer in self._module.enclosing(node):
            if isinstance(outer, _FUNCTIONS) and self._module.scopes.function_of(node) is not None:
                function = outer
        around = function or self._statement(node)
        return any(self._module.dotted(part).startswith("torch") for part in ast.walk(around))

    def _is_of_tensor(self, node: ast.AST) -> bool:
        """`x.cuda()`, `x.to(...)` and what stands in its brackets, `device.type`."""
        for part in (node, *self._module.enclosing(node)):
            if isinstance(part, (ast.stmt, ast.Lambda)):
                return False
            called = part.func if isinstance(part, ast.Call) else part
            if isinstance(called, ast.Attribute) and called.attr in _OF_TENSORS:
                return not self._module.dotted(called)
        return False

    # -- the top of the file ---------------------------------------------------------------------

    def _top(self, nodes: list[ast.AST], not_before: int) -> Where:
        """Behind the import of PyTorch and the imports that follow it, in front of every use."""
        body = self._module.tree.body
        first_use = self.first_use(nodes)
        usable = [i for i in self._anchors if (body[i].end_lineno or 0) < first_use]
        if not usable:
            return self._above(first_use)
        index = next((i for i in usable if any(map(imports_torch, ast.walk(body[i])))), usable[0])
        while index + 1 < len(body) and body[index].lineno < not_before:
            index += 1
        if (body[index].end_lineno or 0) >= first_use:
            raise Unplaced("the helper is found only later in the file")
        while index + 1 < len(body) and _is_import(body[index + 1]):
            if (body[index + 1].end_lineno or 0) >= first_use:
                break
            index += 1
        return Where(body[index], "after")

    def _above(self, first_use: int) -> Where:
        """In front of a use that stands above the import of PyTorch, with the first imports where
        only plain statements follow."""
        body = self._module.tree.body
        use = next(i for i, s in enumerate(body) if (s.end_lineno or 0) >= first_use)
        last = -1
        for index, statement in enumerate(body[:use]):
            if _is_first(index, statement) or (_is_import(statement) and last == index - 1):
                last = index
        if last < 0:
            return Where(None, "before") if use == 0 else Where(body[use], "before")
        is_plain = all(_is_plain(s) for s in body[last + 1 : use])
        return Where(body[last], "after") if is_plain else Where(body[use], "before")

    @cached_property
    def _anchors(self) -> list[int]:
        """The statements of the file that bring PyTorch whenever it is imported."""
        return [
            index
            for index, statement in enumerate(self._module.tree.body)
            if any(self._is_torch(inner) for inner in always_run([statement]))
        ]

    @cached_property
    def _conditional(self) -> list[ast.stmt]:
        """Imports of PyTorch in a `try` or an `if` outside of functions, by which it is known."""
        return [
            statement
            for statement in self._imports
            if imports_torch(statement)
            and self._module.scopes.function_of(statement) is None
            and not _is_typing(self._module, statement)
        ]

    @cached_property
    def _imports(self) -> list[ast.Import | ast.ImportFrom]:
        return [n for n in self._module.nodes if isinstance(n, (ast.Import, ast.ImportFrom))]

    def _is_torch(self, statement: ast.stmt) -> bool:
        return any(self._brings(site) for site in sites_in(statement, True))

    # -- the tree --------------------------------------------------------------------------------

    def _line(self, node: ast.AST) -> int:
        """Where a place is first needed: code in functions runs after the file's top."""
        if self._module.scopes.function_of(node) is not None:
            return len(self._module.lines) + 1
        return _first_line(self._top_statement(node))

    def _function(self, node: ast.AST) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """The innermost `def` around a node."""
        found = self._module.scopes.function_of(node)
        while found is not None and not isinstance(found, _FUNCTIONS):
            found = self._module.scopes.function_of(found)
        return found

    def _statement(self, node: ast.AST) -> ast.stmt:
        around = (node, *self._module.enclosing(node))
        return next(part for part in around if isinstance(part, ast.stmt))

    def _top_statement(self, node: ast.AST) -> ast.stmt:
        top = node
        for outer in self._module.enclosing(node):
            if not isinstance(outer, ast.Module):
                top = outer
        assert isinstance(top, ast.stmt)
        return top


def _first_line(statement: ast.stmt) -> int:
    """A decorator is the first line of what it decorates."""
    decorators = getattr(statement, "decorator_list", ())
    return min([statement.lineno, *(d.lineno for d in decorators)])


def _is_import(statement: ast.stmt) -> bool:
    return isinstance(statement, (ast.Import, ast.ImportFrom))


def _is_first(index: int, statement: ast.stmt) -> bool:
    """The docstring and the imports from __future__ come before everything."""
    is_doc = index == 0 and isinstance(getattr(statement, "value", None), ast.Constant)
    is_doc = is_doc and isinstance(statement, ast.Expr)
    return is_doc or getattr(statement, "module", "") == "__future__"


def _is_plain(statement: ast.stmt) -> bool:
    """It sets nothing up for PyTorch: imports, definitions, and constants with a name."""
    if isinstance(statement, (*_FUNCTIONS, ast.ClassDef, ast.Import, ast.ImportFrom)):
        return True
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        named = all(isinstance(target, (ast.Name, ast.Tuple)) for target in targets)
        return named and not _calls(statement)
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _calls(statement: ast.stmt) -> bool:
    """It does something; reading the environment changes nothing."""
    return any(
        isinstance(part, ast.Await)
        or (isinstance(part, ast.Call) and ast.unparse(part.func) not in _READS)
        for part in ast.walk(statement)
    )


def _branch(block: ast.AST, statement: ast.stmt) -> int:
    """Which of the lists of a block a statement stands in."""
    lists = (getattr(block, name, []) for name in ("body", "orelse", "finalbody"))
    inside = [part for part in lists if isinstance(part, list) and statement in part]
    return id(inside[0]) if inside else id(block)


def _is_main(block: ast.AST) -> bool:
    """`if __name__ == "__main__":`, whose imports the rest of the file does not count on."""
    return isinstance(block, ast.If) and any(
        getattr(part, "id", "") == "__name__" for part in ast.walk(block.test)
    )


def _is_typing(module: Module, statement: ast.stmt) -> bool:
    """In the branch that only type checkers read."""
    inner: ast.AST = statement
    for outer in module.enclosing(statement):
        if isinstance(outer, ast.If) and inner in outer.body:
            name = getattr(outer.test, "attr", getattr(outer.test, "id", ""))
            if name == "TYPE_CHECKING":
                return True
        inner = outer
    return False
