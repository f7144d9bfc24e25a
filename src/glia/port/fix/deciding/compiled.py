"""Functions that torch.jit.script, torch.export and the like read: their code is compiled, not run,
and the compilers refuse the helper's questions.

Found by names, over all files: what a compiled function calls is compiled too, and a module brings
those that its class mentions. Where it cannot be seen which module is meant, all of them are.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from glia.port.source.module import Module
from glia.port.source.names.tree import inside

Place = tuple[str, int, int]  # file, line, column
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

_READERS = {
    "torch.jit.script", "torch.jit.script_method", "torch.jit.script_if_tracing",
    "torch.jit.export", "torch.export.export", "torch.export.export_for_training",
    "torch.export.draft_export", "torch.export.export_for_inference", "torch._dynamo.export",
    "torch._export.export",
    "torch.fx.symbolic_trace", "torch.onnx.dynamo_export",
}  # fmt: skip
_WHOLE = {"torch.compile": "fullgraph", "torch._dynamo.optimize": "nopython"}
_WHOLE_METHODS = {"compile": "fullgraph"}
_METHODS = {"to_torchscript"}
_SCRIPTED_BASES = {"torch.jit.ScriptModule", "torch.jit._script.ScriptModule"}
_NOT_READ = {
    "torch.jit.ignore", "torch.jit.unused", "torch._dynamo.disable", "torch.compiler.disable",
    "torch.compiler.allow_in_graph", "torch._dynamo.allow_in_graph",
}  # fmt: skip
_WORDS = (
    "jit.script", "torch.jit", "jit import", "fullgraph", "nopython", "torch.export",
    "export import", "_dynamo", "_export", "symbolic_trace", "dynamo_export", "ScriptModule",
    "to_torchscript",
)  # fmt: skip


def mentions_a_compiler(text: str) -> bool:
    """A quick way to say no."""
    return "torch" in text and any(word in text for word in _WORDS)


def compiled_functions(modules: Sequence[Module]) -> dict[Place, str]:
    """The functions that are compiled, by place, each with who reads it."""
    index = _Index(modules)
    search = _Search(index)
    for module in modules:
        for node in module.nodes:
            for reader, argument in _readers(module, node):
                search.reader = f"{reader} ({module.path}:{getattr(node, 'lineno', 1)})"
                search.start(module, argument)
    return search.found


# -- who compiles --------------------------------------------------------------------------------


def _readers(module: Module, node: ast.AST) -> Iterator[tuple[str, ast.AST | None]]:
    """The compilers that a node calls, each with what it is given; None where that is not seen."""
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        for decorator in node.decorator_list:
            reader = _reader(module, decorator) or _reader_called(module, decorator)
            if reader:
                yield reader, node
        bases = node.bases if isinstance(node, ast.ClassDef) else ()
        if any(module.dotted(base) in _SCRIPTED_BASES for base in bases):
            yield "torch.jit.ScriptModule", node
    elif isinstance(node, ast.Call) and not _is_decorator(module, node):
        yield from _readers_of_call(module, node)
    elif isinstance(node, (ast.Name, ast.Attribute)) and _is_handed_on(module, node):
        yield module.dotted(node), None


def _readers_of_call(module: Module, call: ast.Call) -> Iterator[tuple[str, ast.AST | None]]:
    reader = _reader(module, call.func)
    if reader:
        yield reader, _first(call)
        return
    reader = _reader_called(module, call)
    if reader:  # torch.compile(f, fullgraph=True), torch.compile(fullgraph=True)(f)
        outer = module.parents.get(call)
        is_applied = isinstance(outer, ast.Call) and outer.func is call
        yield reader, _first(outer if isinstance(outer, ast.Call) and is_applied else call)
    elif isinstance(call.func, ast.Attribute) and not module.dotted(call.func):
        name = call.func.attr
        if name in _METHODS or (name in _WHOLE_METHODS and _is_whole(call, _WHOLE_METHODS[name])):
            yield f".{name}", call.func.value


def _reader(module: Module, function: ast.AST) -> str:
    name = module.dotted(function)
    return name if name in _READERS else ""


def _reader_called(module: Module, node: ast.AST) -> str:
    """`torch.compile(fullgraph=True)`, also by `functools.partial`."""
    if not isinstance(node, ast.Call):
        return ""
    name = module.dotted(node.func)
    if name == "functools.partial" and node.args:
        name = module.dotted(node.args[0])
        if name in _READERS:
            return name
    word = _WHOLE.get(name)
    return f"{name}({word}=True)" if word and _is_whole(node, word, module) else ""


def _is_whole(call: ast.Call, word: str, module: Module | None = None) -> bool:
    """Given as True, or in a way that only running tells."""
    for keyword in call.keywords:
        if keyword.arg == word:
            return not (isinstance(keyword.value, ast.Constant) and not keyword.value.value)
    stars = any(keyword.arg is None for keyword in call.keywords)
    return stars and module is not None and module.mentions(word)


def _first(call: ast.Call) -> ast.AST | None:
    if call.args:
        return call.args[0]
    names = ("model", "mod", "obj", "f", "func", "fn", "root")
    return next((k.value for k in call.keywords if k.arg in names), None)


def _is_decorator(module: Module, node: ast.AST) -> bool:
    return node in getattr(module.parents.get(node), "decorator_list", ())


def _is_handed_on(module: Module, node: ast.AST) -> bool:
    """`map(torch.jit.script, models)`, `wrap = torch.jit.script if fast else same`."""
    outer = module.parents.get(node)
    if isinstance(outer, (ast.Attribute, ast.Import, ast.ImportFrom)) or not _reader(module, node):
        return False
    if isinstance(outer, ast.Call) and module.dotted(outer.func) == "functools.partial":
        return False
    if isinstance(outer, ast.Compare) or _is_decorator(module, node):
        return False
    return not (isinstance(outer, ast.Call) and outer.func is node) and isinstance(
        getattr(node, "ctx", None), ast.Load
    )


# -- what is compiled ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Def:
    """A function or class of the project, with its file."""

    module: Module
    node: ast.AST


class _Index:
    """All functions and classes of the project by their bare names."""

    def __init__(self, modules: Iterable[Module]) -> None:
        self.functions: dict[str, list[_Def]] = {}
        self.classes: dict[str, list[_Def]] = {}
        for module in modules:
            for node in module.nodes:
                if isinstance(node, _FUNCTIONS):
                    self.functions.setdefault(node.name, []).append(_Def(module, node))
                elif isinstance(node, ast.ClassDef):
                    self.classes.setdefault(node.name, []).append(_Def(module, node))


@dataclass(slots=True)
class _Search:
    """What the compilers reach, by names; `reader` is the one that is followed now."""

    index: _Index
    reader: str = ""
    found: dict[Place, str] = field(default_factory=dict)
    _built: set[ast.AST] = field(default_factory=set)

    def start(self, module: Module, argument: ast.AST | None, depth: int = 0) -> None:
        """Follow what a compiler is given; all modules where that is not seen."""
        if isinstance(argument, (*_FUNCTIONS, ast.Lambda)):
            self._compile(_Def(module, argument))
        elif isinstance(argument, ast.ClassDef):
            self._take_class(_Def(module, argument))
        elif isinstance(argument, ast.Call):
            self._start_call(module, argument, depth)
        elif isinstance(argument, (ast.Name, ast.Attribute)):
            self._start_name(module, argument, depth)
        else:
            self._take_all()

    def _start_call(self, module: Module, call: ast.Call, depth: int) -> None:
        """`Net()`, `build(config)`, `net.eval()`, `models.resnet18()`."""
        name = _last(call.func)
        if name in self.index.classes or (
            name in self.index.functions and not _is_method_of_object(module, call.func)
        ):
            self._build_named(name)
        elif _is_method_of_object(module, call.func) and isinstance(call.func, ast.Attribute):
            self.start(module, call.func.value, depth + 1)
        elif not module.dotted(call.func):
            self._take_all()  # else it is made by another package

    def _start_name(self, module: Module, node: ast.Name | ast.Attribute, depth: int) -> None:
        name = _last(node)
        if isinstance(node, ast.Name):
            values: Sequence[ast.expr] = module.scopes.given(node, name)
        else:
            values = module.assigned_to_attribute(name)
        others = [value for value in values if value is not node and _last(value) != name]
        named = [*self.index.functions.get(name, ()), *self.index.classes.get(name, ())]
        for one in named:
            self.start(one.module, one.node)
        if depth > _DEEPEST or not (named or others):
            self._take_all()
        for value in others if depth <= _DEEPEST else ():
            self.start(module, value, depth + 1)

    def _take_all(self) -> None:
        """Every class with a forward."""
        for classes in self.index.classes.values():
            for one in classes:
                if any(_name(part) == "forward" for part in _body(one.node)):
                    self._take_class(one)

    def _take_class(self, one: _Def) -> None:
        """Its methods that a compiler begins with, its bases, and the modules it is made of."""
        if one.node in self._built:
            return
        self._built.add(one.node)
        methods = [part for part in _body(one.node) if isinstance(part, _FUNCTIONS)]
        begins = [part for part in methods if part.name in ("forward", "__call__")]
        has_bases = bool(getattr(one.node, "bases", ()))
        for part in begins or (() if has_bases else methods):  # else a class of TorchScript
            self._compile(_Def(one.module, part))
        self._build_mentioned(one)

    def _build_mentioned(self, one: _Def) -> None:
        for name in _makers(one):
            self._build_named(name)

    def _build_named(self, name: str) -> None:
        """Classes of this name are taken; functions make some, and are themselves not compiled."""
        for one in self.index.classes.get(name, ()):
            self._take_class(one)
        for one in self.index.functions.get(name, ()):
            if one.node not in self._built:
                self._built.add(one.node)
                self._build_mentioned(one)

    def _compile(self, one: _Def) -> None:
        node = one.node
        place = (one.module.path, getattr(node, "lineno", 1), getattr(node, "col_offset", 0))
        if place in self.found or _is_left_out(one):
            return
        self.found[place] = self.reader
        for part in inside(node):
            if isinstance(part, (ast.Name, ast.Attribute)):
                for function in self.index.functions.get(_last(part), ()):
                    self._compile(function)
            if isinstance(part, ast.Call):
                self._compile_called(one, part.func)

    def _compile_called(self, one: _Def, func: ast.expr) -> None:
        """Objects that compiled code makes; and modules that it calls by a variable."""
        name = _last(func)
        for made in self.index.classes.get(name, ()):
            for part in _body(made.node):
                if isinstance(part, _FUNCTIONS):
                    self._compile(_Def(made.module, part))
        is_known = name in self.index.classes or name in self.index.functions
        in_class = isinstance(one.module.parents.get(one.node), ast.ClassDef)
        is_known |= hasattr(builtins, name) or bool(one.module.dotted(func))
        if isinstance(func, ast.Name) and not (is_known or in_class):
            self._start_name(one.module, func, 0)


_DEEPEST = 8


def _is_left_out(one: _Def) -> bool:
    """`@torch.jit.ignore`, also when it is called."""
    for decorator in getattr(one.node, "decorator_list", ()):
        node = decorator.func if isinstance(decorator, ast.Call) else decorator
        if one.module.dotted(node) in _NOT_READ:
            return True
    return False


def _is_method_of_object(module: Module, func: ast.AST) -> bool:
    return isinstance(func, ast.Attribute) and not module.dotted(func)


def _last(node: ast.AST) -> str:
    return getattr(node, "attr", getattr(node, "id", ""))


def _name(node: ast.AST) -> str:
    return getattr(node, "name", "")


def _body(node: ast.AST) -> Iterator[ast.AST]:
    """The statements of a class, those under its `if` too."""
    for part in getattr(node, "body", ()):
        yield part
        if isinstance(part, (ast.If, ast.Try)):
            yield from _body(part)
            yield from part.orelse


def _makers(one: _Def) -> set[str]:
    """Names that may make modules: by themselves, behind an import, or as methods of `self`."""
    found: set[str] = set()
    for node in inside(one.node):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            is_own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if is_own or one.module.dotted(node):
                found.add(node.attr)
    return found
