"""One Python file as rules see it: its syntax tree, what its names stand for, who encloses whom.

Nothing is imported or executed. Names are followed through imports (`from torch import cuda as c`)
and simple assignments (`c = torch.cuda`, `dev = "cuda"`), as far as reading can tell.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cached_property

from glia.port.source.names.handled import Handled, handled
from glia.port.source.names.scopes import Scopes
from glia.port.source.names.stars import exports
from glia.port.source.names.tree import collect

Binding = ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr
_BINDERS = frozenset({ast.Assign, ast.AnnAssign, ast.AugAssign, ast.NamedExpr})
# What rules seldom look for by itself; two nodes of three are of these kinds.
_PLAIN = frozenset({ast.Name, ast.Attribute, ast.Constant, ast.arg, ast.alias})
_LINE_END = re.compile(r"\r\n|\r|\n")  # as Python counts lines: a form feed ends none

# What must be so for a name of another file to be true, and to be false; bits of `Outcomes`.
Answer = tuple[int, int]
Answers = Callable[[str], Answer]
_FOREIGN = {"torch", "os", "sys", "numpy", "math", "typing"}  # not of any project


ANY = "*"  # stands for the part of an f-string that only running tells


class Module:
    """A parsed file. `path` is as the user would name it; lines count from 1.

    Raises:
        SyntaxError, ValueError: for text that is not Python 3.
    """

    def __init__(self, path: str, text: str, answers: Answers | None = None) -> None:
        self.path = path
        self.text = text
        self.lines = _LINE_END.split(text)
        self.tree = ast.parse(text)
        self.nodes, self.parents = collect(self.tree)
        self._mentioned: dict[tuple[str, ...], bool] = {}
        self.known: dict[tuple[str, ast.AST], bool] = {}  # what values evidently are
        self.guards: object = None  # what `guards.py` knows of the file
        self.answers = answers
        self.questions: set[str] = set()  # what other files of the project would have to answer

    def forget_guards(self) -> None:
        """Lets go of what `guards.py` knows: it leads back to the module, and would keep its tree
        until Python looks for such circles, which takes long where many trees are kept."""
        if self.guards is not None:
            vars(self.guards).clear()
            self.guards = None

    def code(self, line: int) -> str:
        """The text of a line, without its indentation."""
        return self.lines[line - 1].strip() if 0 < line <= len(self.lines) else ""

    def mentions(self, *words: str) -> bool:
        """True when one of the words is anywhere in the text: a quick way to say no."""
        if words not in self._mentioned:
            self._mentioned[words] = any(word in self.text for word in words)
        return self._mentioned[words]

    def enclosing(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around `node`, innermost first."""
        parent = self.parents.get(node)
        while parent is not None:
            yield parent
            parent = self.parents.get(parent)

    @cached_property
    def structure(self) -> list[ast.AST]:
        """The nodes in reading order, without names, attributes and constants: to look through
        these takes a third of the time."""
        return [node for node in self.nodes if node.__class__ not in _PLAIN]

    @cached_property
    def scopes(self) -> Scopes:
        """Functions, classes and loops of the file, and what names are given in them."""
        return Scopes(self.structure, self.bindings, self.parents)

    @cached_property
    def handled(self) -> Handled:
        """Per function the names that it handles as tensors."""
        return handled(self.structure, self.scopes, self.dotted)

    @cached_property
    def buffers(self) -> frozenset[str]:
        """The names under which the file's modules register buffers."""
        calls = (n for n in self.structure if isinstance(n, ast.Call) and n.args)
        return frozenset(
            text
            for call in calls
            if getattr(call.func, "attr", "") == "register_buffer"
            if (text := self.string(call.args[0]))
        )

    # -- names -----------------------------------------------------------------------------------

    @cached_property
    def names(self) -> dict[str, str]:
        """Local name -> dotted name: imports, and assignments of a dotted name to one name."""
        found: dict[str, str] = dict(self._from_stars())
        for node in self._imports:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    root = alias.name.split(".")[0]
                    found[alias.asname or root] = alias.name if alias.asname else root
            elif node.module and not node.level:
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        for name, value in self._assigned.items():
            if name in found or len(value) != 1:
                continue
            if isinstance(value[0], ast.Attribute) or _fetched(value[0]) is not None:
                dotted = _dotted(value[0], found)
                if dotted:
                    found[name] = dotted
        return found

    @cached_property
    def _imported(self) -> dict[str, str]:
        """As `names`, of imports only, those from the project itself with their dots."""
        found: dict[str, str] = {}
        for node in self._imports:
            if isinstance(node, ast.Import):
                for alias in node.names:
                    found[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
            else:
                start = "." * node.level + (f"{node.module}." if node.module else "")
                for alias in node.names:
                    found[alias.asname or alias.name] = start + alias.name
        return found

    def project_name(self, node: ast.AST) -> str:
        """The name that another file of the project may define: `.env.has_gpu`; empty for others.

        A name of a star import may be in any of the modules: it has the first of them.
        """
        found = _dotted(node, self._imported)
        if not found and self.stars and isinstance(node, ast.Name):
            found = self.stars[0] + node.id
        return "" if found.split(".")[0] in _FOREIGN or "." not in found else found

    @cached_property
    def stars(self) -> tuple[str, ...]:
        """What stands before the names that star imports bring: `.env.`."""
        return tuple(
            "." * node.level + (f"{node.module}." if node.module else "")
            for node in self._imports
            if isinstance(node, ast.ImportFrom)
            and node.names[0].name == "*"
            and (node.module or "").split(".")[0] not in _FOREIGN
        )

    def elsewhere(self, question: str, outcome: bool) -> int:
        """What must be so for a name of another file to be true, or false: see `Outcomes`.

        What nobody has answered is kept in `questions`.
        """
        self.questions.add(question)
        return 0 if self.answers is None else self.answers(question)[not outcome]

    @cached_property
    def _imports(self) -> list[ast.Import | ast.ImportFrom]:
        return [n for n in self.structure if isinstance(n, (ast.Import, ast.ImportFrom))]

    @cached_property
    def bindings(self) -> list[Binding]:
        """The statements and expressions that give a name or an attribute a value."""
        return [n for n in self.structure if n.__class__ in _BINDERS]  # type: ignore[misc]

    def _from_stars(self) -> Iterator[tuple[str, str]]:
        """Names that star imports bring, but for those that the file defines."""
        stars = [
            node.module
            for node in self._imports
            if isinstance(node, ast.ImportFrom) and node.names[0].name == "*" and node.module
        ]
        if not stars:
            return
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        own = {node.name for node in self.structure if isinstance(node, kinds)}
        for star in stars:
            yield from ((name, f"{star}.{name}") for name in exports(star) if name not in own)

    @cached_property
    def _kept(self) -> dict[str, str]:
        """`self.cuda = torch.cuda`, `rng = torch.cuda.manual_seed` of a class: name -> dotted."""
        found: dict[str, str] = {}
        for node in self.bindings:
            if not isinstance(node, ast.Assign):
                continue
            if not isinstance(node.value, (ast.Attribute, ast.Name)):
                continue
            dotted = _dotted(node.value, self.names)
            for target in node.targets if dotted.startswith("torch.cuda") else ():
                if isinstance(target, ast.Attribute) and _is_self(target.value):
                    found[target.attr] = dotted
                elif isinstance(target, ast.Name) and isinstance(self.parents[node], ast.ClassDef):
                    found[target.id] = dotted
        return found

    @cached_property
    def roots(self) -> frozenset[str]:
        """The packages that the file imports, by their first name."""
        return frozenset(name.split(".")[0] for name in self.names.values())

    @cached_property
    def used(self) -> frozenset[str]:
        """The dotted names that the file reads, whole and in part."""
        found = (self.dotted(n) for n in self.nodes if isinstance(n, (ast.Attribute, ast.Name)))
        return frozenset(name for name in found if name)

    @cached_property
    def _assigned(self) -> dict[str, list[ast.expr]]:
        """What is assigned to each plain name, anywhere in the file."""
        found: dict[str, list[ast.expr]] = {}
        for node in self.bindings:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name) and node.value is not None:
                    found.setdefault(target.id, []).append(node.value)
        return found

    def dotted(self, node: ast.AST) -> str:
        """`c.Stream` as `torch.cuda.Stream`; empty when the root is not an import of the file."""
        found = _dotted(node, self.names)
        return found if found or not self._kept else _dotted_of_self(node, self._kept)

    @cached_property
    def _attributes(self) -> dict[str, list[ast.expr]]:
        """What is assigned to each attribute, of whatever object, anywhere in the file."""
        found: dict[str, list[ast.expr]] = {}
        for node in self.bindings:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Attribute) and node.value is not None:
                    found.setdefault(target.attr, []).append(node.value)
        return found

    def assigned_to_attribute(self, name: str) -> tuple[ast.expr, ...]:
        """The expressions that the file assigns to `x.name`, as `self.name` and `args.name`."""
        return tuple(self._attributes.get(name, ()))

    def assigned(self, name: str) -> tuple[ast.expr, ...]:
        """The expressions that the file assigns to this plain name."""
        return tuple(self._assigned.get(name, ()))

    # -- constants -------------------------------------------------------------------------------

    def string(self, node: ast.AST | None) -> str | None:
        """The text that a node stands for: a literal, an f-string (with `*` for its unknown parts),
        or a name that the file assigns one literal to. None for anything else."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.JoinedStr):
            return "".join(_piece(v) for v in node.values)
        if isinstance(node, ast.Name):
            values = self._assigned.get(node.id, ())
            if len(values) == 1 and isinstance(values[0], (ast.Constant, ast.JoinedStr)):
                return self.string(values[0])
        return None


def _dotted_of_self(node: ast.AST, kept: dict[str, str]) -> str:
    """`self.cuda.Stream` as `torch.cuda.Stream`."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        if _is_self(node.value):
            return ".".join([kept[node.attr], *reversed(parts)]) if node.attr in kept else ""
        parts.append(node.attr)
        node = node.value
    return ""


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def _piece(value: ast.expr) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    return ANY


def _dotted(node: ast.AST, names: dict[str, str]) -> str:
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Call) and (fetched := _fetched(node)) is not None:
            parts.append(fetched[1])
            node = fetched[0]
        else:
            break
    if not isinstance(node, ast.Name) or node.id not in names:
        return ""
    return ".".join([names[node.id], *reversed(parts)])


def _fetched(node: ast.AST) -> tuple[ast.expr, str] | None:
    """`getattr(torch, "cuda", None)` is `torch.cuda`."""
    match node:
        case ast.Call(func=ast.Name(id="getattr"), args=[root, ast.Constant(value=str(name)), *_]):
            return root, name
    return None
