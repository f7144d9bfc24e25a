"""What must be so on a machine for a condition to come out true, or false.

The answer is a set of facts, as bits: `torch.cuda.is_available()` is true only where CUDA is, and
false wherever. Both of two conditions need the facts of each, one of two only those that they
share; what can never come out so needs all facts there are. Names are followed to whatever gives
them a value, functions to what they return.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, reduce
from typing import Any

from glia.port.source.module import Module
from glia.port.source.names.bindings import Bindings, Given

# CUDA is there; a package that may be absent is; a failure without CUDA is caught.
NOTHING, CUDA, PACKAGE, CAUGHT, NEVER = 0, 1, 2, 4, 15

_DEEPEST = 24
# Not `torch.backends.cuda.is_built()`: the usual build has CUDA on machines without it too.
_ASKED = {
    "torch.cuda.is_available", "torch.cuda.is_initialized", "torch.cuda.device_count",
    "torch.cuda.is_current_stream_capturing",
    "numba.cuda.is_available", "cupy.cuda.is_available", "cupy.is_available",
    "transformers.utils.is_torch_cuda_available", "accelerate.utils.is_cuda_available",
}  # fmt: skip
_COUNTS = {"torch.cuda.device_count"}
_VALUES = {  # None, or False, where there is no CUDA
    "torch.version.cuda", "torch.utils.cpp_extension.CUDA_HOME",
    "torch.testing._internal.common_utils.TEST_CUDA",
    "torch.testing._internal.common_cuda.TEST_CUDA",
}  # fmt: skip
_TOOLS = {"nvidia-smi", "nvcc"}
# What projects call their questions for a package, and what they call the answers.
_AVAILABLE = re.compile(r"_?(?:is|has|have)_\w+_(?:available|installed)|_?(?:is|has)_package\w*")
_FLAG = re.compile(r"_?(?:HAS|HAVE|WITH)_[A-Z0-9_]+|_?[A-Z0-9_]+_(?:AVAILABLE|INSTALLED)")
_OF_CUDA = re.compile(r"(?:^|_)(?:cuda|gpu)s?(?:_|$)", re.IGNORECASE)
# Packages that are there on every kind of machine: to ask for one protects nothing.
PORTABLE = {
    "torch", "torchvision", "torchaudio", "numpy", "scipy", "pandas", "sklearn", "transformers",
    "accelerate", "datasets", "peft", "diffusers", "timm", "lightning", "pytorch_lightning",
    "einops", "safetensors", "tokenizers", "huggingface_hub", "wandb", "tensorboard", "tqdm",
    "yaml", "matplotlib", "PIL", "cv2", "soundfile", "librosa", "sentencepiece",
}  # fmt: skip
# Devices of other vendors: `type in ("cuda", "xpu")` is no question for the machine at hand.
_FOREIGN = {"mps", "xpu", "npu", "hpu", "hip", "mlu", "musa"}
_NEGATIVE = {ast.NotEq: ast.Eq, ast.IsNot: ast.Is, ast.NotIn: ast.In}
_FLIPPED = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
_ORDERS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}  # fmt: skip
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def either(facts: Iterable[int]) -> int:
    """What all of several ways share; of no way, everything."""
    return reduce(operator.and_, facts, NEVER)


def both(facts: Iterable[int]) -> int:
    """What several conditions need together."""
    return reduce(operator.or_, facts, NOTHING)


class Outcomes:
    """The conditions of one module. `reached` tells what must be so for a node to run, within the
    function that is given; `left` the same for what follows a list of statements."""

    def __init__(
        self,
        module: Module,
        reached: Callable[[ast.AST, ast.AST | None], int],
        left: Callable[[Sequence[ast.stmt]], int],
    ) -> None:
        self._module = module
        self.place = reached
        self._left = left
        self._busy: set[tuple[ast.AST, bool]] = set()
        self._known: dict[tuple[ast.expr, bool], int] = {}

    @cached_property
    def bindings(self) -> Bindings:
        """What gives the names of the file a value."""
        module = self._module
        return Bindings(module.structure, module.scopes, module.parents)

    def facts(self, test: ast.expr | None, outcome: bool) -> int:
        """What must be so for `test` to come out as `outcome`."""
        if test is None or len(self._busy) > _DEEPEST:
            return NOTHING
        match test:
            case ast.Constant(value=value):
                return NOTHING if bool(value) == outcome else NEVER
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self.facts(operand, not outcome)
            case ast.BoolOp(op=op, values=values):
                return self._joined(isinstance(op, ast.And), values, outcome)
            case ast.BinOp(left=left, op=ast.BitAnd() | ast.BitOr() as op, right=right):
                return self._joined(isinstance(op, ast.BitAnd), [left, right], outcome)
            case ast.NamedExpr(value=value) | ast.Await(value=value):
                return self.facts(value, outcome)
            case ast.IfExp(test=condition, body=body, orelse=orelse):
                first = self.facts(condition, True) | self.facts(body, outcome)
                return first & (self.facts(condition, False) | self.facts(orelse, outcome))
            case ast.Compare():
                return self._chain(test, outcome)
            case ast.Call() | ast.Name() | ast.Attribute() | ast.Subscript():
                place = test, outcome
                if place not in self._known:  # each is followed once: they lead to each other
                    self._known[place] = NOTHING
                    self._known[place] = self._followed(test, outcome)
                return self._known[place]
        return NOTHING

    def _followed(self, test: ast.expr, outcome: bool) -> int:
        match test:
            case ast.Call():
                return self._call(test, outcome)
            case ast.Name():
                return self._name(test, outcome)
            case ast.Attribute():
                return self._attribute(test, outcome)
            case ast.Subscript(slice=ast.Constant(value=str(key))):
                return self._values(self._entries.get(key, ()), outcome)
        return NOTHING

    def _joined(self, is_and: bool, values: Sequence[ast.expr], outcome: bool) -> int:
        join = both if is_and == outcome else either
        return join(self.facts(value, outcome) for value in values)

    # -- comparisons -----------------------------------------------------------------------------

    def _chain(self, test: ast.Compare, outcome: bool) -> int:
        """`a < b < c` holds when every pair does."""
        sides = [test.left, *test.comparators]
        pairs = zip(sides, test.ops, sides[1:], strict=False)
        join = both if outcome else either
        return join(self.pair(left, type(op), right, outcome) for left, op, right in pairs)

    def pair(
        self, left: ast.expr | None, op: type[ast.cmpop], right: ast.expr, outcome: bool
    ) -> int:
        """What must be so for one comparison to come out as `outcome`."""
        if op in _NEGATIVE:
            return self.pair(left, _NEGATIVE[op], right, not outcome)
        texts = [self._text(side) for side in (left, right)]
        if any(text.startswith("cuda") for text in texts):
            return CUDA if outcome else NOTHING
        if op is ast.In:
            return CUDA if outcome and self._lists_cuda(right) else NOTHING
        if left is None:
            return NOTHING
        if isinstance(left, ast.Constant) and not isinstance(right, ast.Constant):
            return self.pair(right, _FLIPPED.get(op, op), left, outcome)
        if self._counts(right) and not self._counts(left):
            return self.pair(right, _FLIPPED.get(op, op), left, outcome)
        return self._against(left, op, right, outcome)

    def _against(self, left: ast.expr, op: type[ast.cmpop], right: ast.expr, outcome: bool) -> int:
        """A comparison with a constant, or of a count with anything."""
        if isinstance(left, ast.NamedExpr):
            left = left.value
        if not isinstance(right, ast.Constant):
            is_more = outcome and op in (ast.Eq, ast.Gt, ast.GtE)
            return self.facts(left, True) if is_more and self._counts(left) else NOTHING
        if right.value is None:
            is_answer = isinstance(left, ast.Call) and self._module.dotted(left.func) in _ASKED
            return NOTHING if is_answer else self.facts(left, not outcome)
        if isinstance(right.value, bool):
            return self.facts(left, outcome == right.value) if op in (ast.Eq, ast.Is) else NOTHING
        if isinstance(right.value, str):
            is_version = self._module.dotted(left) in _VALUES
            return self.facts(left, True) if outcome and is_version else NOTHING
        if op is ast.Is or not isinstance(right.value, (int, float)):
            return NOTHING
        # A count of nothing gives this answer: the other one needs something to count.
        if _ORDERS[op](0, right.value) != outcome and self._counts(left):
            return self.facts(left, True)
        return NOTHING

    def _counts(self, node: ast.expr | None) -> bool:
        """`torch.cuda.device_count()`, or a name for it, in this file or another."""
        if isinstance(node, ast.NamedExpr):
            node = node.value
        if isinstance(node, ast.Call):
            return self._module.dotted(node.func) in _COUNTS or isinstance(node.func, ast.Name)
        if isinstance(node, ast.Name):
            given = self.bindings.of(node, node.id)
            return bool(given) and all(
                g.is_import or (g.value is not node and self._counts(g.value)) for g in given
            )
        return isinstance(node, ast.Attribute)

    def _text(self, node: ast.expr | None) -> str:
        """The text that is compared with: a literal, a name for one, `torch.device("cuda")`."""
        if isinstance(node, ast.Call) and self._module.dotted(node.func) == "torch.device":
            node = node.args[0] if node.args else None
        return self._module.string(node) or ""

    def _lists_cuda(self, node: ast.expr) -> bool:
        """`("cuda", "xpu")`: none of them is a device that code is ported to."""
        if not isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            return False
        texts = [self._text(part) for part in node.elts]
        named = [text.startswith("cuda") for text in texts]
        known = (is_cuda or t in _FOREIGN for is_cuda, t in zip(named, texts, strict=True))
        return any(named) and all(known)

    # -- calls -----------------------------------------------------------------------------------

    def _call(self, call: ast.Call, outcome: bool) -> int:
        dotted = self._module.dotted(call.func)
        if dotted in _ASKED:
            return CUDA if outcome else NOTHING
        name = str(getattr(call.func, "attr", getattr(call.func, "id", "")))
        first = call.args[0] if call.args else None
        if name in ("bool", "int") and not dotted:
            return self.facts(first, outcome)
        if name in ("any", "all") and isinstance(first, (ast.Tuple, ast.List)):
            return self._joined(name == "all", first.elts, outcome)
        if name in ("startswith", "__eq__"):
            return CUDA if outcome and self._text(first).startswith("cuda") else NOTHING
        if name == "which":
            return CUDA if outcome and self._text(first) in _TOOLS else NOTHING
        if name == "find_spec":
            return _package(self._text(first)) if outcome else NOTHING
        found = self._called(call.func, outcome)
        if found is None and _AVAILABLE.fullmatch(name):
            return _named(name) if outcome else NOTHING
        key = self._module.project_name(call.func) if found is None else ""
        return self._module.elsewhere(f"{key}()", outcome) if key else found or NOTHING

    def _called(self, func: ast.expr, outcome: bool) -> int | None:
        """A function of the file; None for others, and those of which nothing is known."""
        if isinstance(func, ast.Name):
            given = self.bindings.of(func, func.id)
            if given and not any(g.is_import for g in given):
                return either(self.returned(function_of(g), outcome) for g in given) or None
        elif isinstance(func, ast.Attribute) and func.attr in self._by_method:
            return either(self.returned(m, outcome) for m in self._by_method[func.attr])
        return None

    def returned(self, function: ast.AST | None, outcome: bool) -> int:
        """What must be so for a function to return something true, or false."""
        if isinstance(function, ast.Lambda):
            return self.facts(function.body, outcome)
        if not isinstance(function, _FUNCTIONS) or (function, outcome) in self._busy:
            return NOTHING
        self._busy.add((function, outcome))
        try:
            ways = [] if outcome else [self._left(function.body)]  # None, at its end
            for node in own_nodes(function):
                if isinstance(node, (ast.Yield, ast.YieldFrom)):
                    return NOTHING
                if isinstance(node, ast.Return):
                    value = node.value or ast.Constant(None)
                    ways.append(self.facts(value, outcome) | self.place(node, function))
            return _known(either(ways))
        finally:
            self._busy.discard((function, outcome))

    @cached_property
    def _by_method(self) -> Mapping[str, list[ast.AST]]:
        """The methods of all classes of the file, by name."""
        found: dict[str, list[ast.AST]] = {}
        for node in self._module.structure:
            parent = self._module.parents.get(node)
            if isinstance(node, _FUNCTIONS) and isinstance(parent, ast.ClassDef):
                found.setdefault(node.name, []).append(node)
        return found

    # -- names -----------------------------------------------------------------------------------

    def _name(self, name: ast.Name, outcome: bool) -> int:
        if name.id == "TYPE_CHECKING":
            return NEVER if outcome else NOTHING
        given = self.bindings.of(name, name.id)
        found = self.answer(given, name, outcome)
        if found == NOTHING and outcome and _FLAG.fullmatch(name.id) and _may_be_answer(given):
            return _named(name.id)
        return found

    def answer(self, given: Sequence[Given], name: ast.Name, outcome: bool) -> int:
        """What must be so for a name that may be any of these to be true, or false."""
        if not given:  # by a star import, perhaps
            key = self._module.project_name(name)
            return self._module.elsewhere(key, outcome) if key else NOTHING
        if any(self._is_switched_on(g) for g in given):
            return NOTHING
        free = [g for g in given if (g.node, outcome) not in self._busy]
        if not free:
            return NOTHING
        return _known(either(self._given(g, name, outcome) for g in free))

    def _given(self, given: Given, name: ast.Name, outcome: bool) -> int:
        self._busy.add((given.node, outcome))
        try:
            place = self.place(given.node, None)
            if given.is_import:
                key = self._module.project_name(name)
                asked = self._module.elsewhere(key, outcome) if key else NOTHING
                return asked | place if outcome else asked
            if given.value is None:
                return NOTHING
            return self.facts(given.value, outcome) | place
        finally:
            self._busy.discard((given.node, outcome))

    def _is_switched_on(self, given: Given) -> bool:
        """A parameter whose default asks, and that the file gives True somewhere."""
        if not given.is_parameter or given.value is None:
            return given.is_parameter
        return isinstance(given.node, ast.arg) and given.node.arg in self._switched_on

    @cached_property
    def _switched_on(self) -> frozenset[str]:
        """The keywords that the file gives True."""
        keywords = (node for node in self._module.structure if isinstance(node, ast.keyword))
        return frozenset(k.arg for k in keywords if k.arg and _is_true(k.value))

    def _attribute(self, node: ast.Attribute, outcome: bool) -> int:
        dotted = self._module.dotted(node)
        if node.attr == "is_cuda" or dotted in _VALUES:
            return CUDA if outcome else NOTHING
        if node.attr == "TYPE_CHECKING":
            return NEVER if outcome else NOTHING
        if dotted in _ASKED:
            return NOTHING  # a function that is not called is always true
        key = self._module.project_name(node)
        if key and _FLAG.fullmatch(node.attr):
            named = _named(node.attr)
            if named == PACKAGE:
                return named if outcome else NOTHING
        found = self._module.elsewhere(key, outcome) if key else NOTHING
        found = found or self._values(self._held(node.attr), outcome)
        if found == NOTHING:
            methods = self._by_method.get(node.attr, ())
            if methods and all(_is_property(method) for method in methods):
                found = either(self.returned(method, outcome) for method in methods)
        return found

    def _held(self, name: str) -> Sequence[ast.expr]:
        """What the file gives an attribute: `self.x = ...`, `x = ...` of a class, `--x`."""
        module = self._module
        in_classes = (
            value
            for value in module.assigned(name)
            if isinstance(module.parents.get(module.parents[value]), ast.ClassDef)
        )
        values = [*module.assigned_to_attribute(name), *in_classes]
        return values or self._options.get(name, ())

    @cached_property
    def _options(self) -> Mapping[str, list[ast.expr]]:
        """`parser.add_argument("--cuda", default=torch.cuda.is_available())`, by name."""
        found: dict[str, list[ast.expr]] = {}
        for node in self._module.structure:
            if not isinstance(node, ast.Call) or getattr(node.func, "attr", "") != "add_argument":
                continue
            defaults = [k.value for k in node.keywords if k.arg == "default"]
            for flag in (self._module.string(arg) or "" for arg in node.args):
                found.setdefault(flag.lstrip("-").replace("-", "_"), []).extend(defaults)
        return found

    @cached_property
    def _entries(self) -> Mapping[str, list[ast.expr]]:
        """What the file gives an entry: `flags["x"] = ...`, `{"x": ...}`, by name."""
        found: dict[str, list[ast.expr]] = {}
        for node in self._module.structure:
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Subscript):
                        found.setdefault(_key(target.slice), []).append(node.value)
            elif isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    found.setdefault(_key(key), []).append(value)
        return found

    def _values(self, values: Sequence[ast.expr], outcome: bool) -> int:
        free = [value for value in values if (value, outcome) not in self._busy]
        if not free:
            return NOTHING
        ways = []
        for value in free:
            self._busy.add((value, outcome))
            ways.append(self.facts(value, outcome) | self.place(value, None))
            self._busy.discard((value, outcome))
        return _known(either(ways))


def own_nodes(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterable[ast.AST]:
    """What stands in the body of a function, without the functions and classes in it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (*_FUNCTIONS, ast.ClassDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)


def function_of(given: Given) -> ast.AST | None:
    """The function that a name stands for, where reading shows it."""
    return given.value if isinstance(given.value, ast.Lambda) else given.node


def _known(facts: int) -> int:
    """What can never be true as it is written is a switch that somebody turns."""
    return NOTHING if facts == NEVER else facts


def _named(name: str) -> int:
    """What a question asks for, by its name only."""
    if _OF_CUDA.search(name):
        return CUDA
    words = name.strip("_").lower().split("_")
    package = "_".join(w for w in words if w not in _ASKING_WORDS)
    return _package(package)


_ASKING_WORDS = {"is", "has", "have", "with", "available", "installed", "package"}


def _package(name: str) -> int:
    return NOTHING if name.split(".")[0] in PORTABLE else PACKAGE


def _may_be_answer(given: Sequence[Given]) -> bool:
    """Not a parameter, and not simply True."""
    if any(g.is_parameter for g in given):
        return False
    return not given or not all(_is_true(g.value) for g in given)


def _is_true(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _key(node: ast.AST | None) -> str:
    """The text of a key; empty for any other."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _is_property(function: ast.AST) -> bool:
    decorators = getattr(function, "decorator_list", [])
    names = (getattr(d, "attr", getattr(d, "id", "")) for d in decorators)
    return any("property" in str(name) for name in names)
