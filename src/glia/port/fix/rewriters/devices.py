"""Rewriters for devices: moving to them, naming them, choosing, counting and comparing."""

from __future__ import annotations

import ast
import re

from glia.port.fix.editing.edits import AddArgument, Fix, Refusal, Replace, fix, replace
from glia.port.fix.registry import rewrites
from glia.port.fix.rewriters.choices import choice_by_type, number_is_read
from glia.port.fix.rewriters.common import NOT_CALLED, device_call, is_helpers, renamed
from glia.port.rules.conditions import is_called, receiver
from glia.port.rules.devices import choice_of
from glia.port.source.hits import Hit

_UNREAD_TEXT = Refusal("the text is put together in a way that reading does not follow")
_READ_NUMBER = Refusal("its number is read further on, and the CPU has none")
_NO_DEVICE = Refusal("it is not evident that this text is where something shall run")
_PROSE = {
    "print", "log", "debug", "info", "warning", "warn", "error", "exception", "critical", "write",
    "startswith", "endswith", "replace", "split", "rsplit", "partition", "rpartition", "find",
    "index", "count", "join", "strip", "lstrip", "rstrip", "getattr", "hasattr", "setattr",
    "delattr", "get", "pop", "setdefault", "add_argument_group", "isinstance", "mark",
    "parametrize", "skipif", "skip", "register", "dispatch", "impl", "register_fake", "match",
    "register_kernel",
    "search", "sub", "removeprefix", "removesuffix", "getenv", "format", "append_path", "Library",
}  # fmt: skip

_NUMBER = re.compile(r"rank|gpu|dev|idx|ids?$|index|num|ordinal|count|argm|^[a-z]$")


@rewrites("C001", share="yes")
def move_by_method(hit: Hit) -> Fix | Refusal | None:
    """`x.cuda(i)` becomes `x.to(helper.device(i))`."""
    call = hit.call
    if call is None or not isinstance(hit.node, ast.Attribute):
        return NOT_CALLED
    if isinstance(hit.node.value, ast.Call) and getattr(hit.node.value.func, "id", "") == "super":
        return Refusal("it calls a method cuda of a base class")
    if _is_storage(hit):
        return Refusal("a storage takes no device by place; give map_location a device")
    if _is_class(hit):
        return Refusal("it is called by the class, not on what it moves")
    rename = Replace(hit.node, "{x}.to", {"x": hit.node.value})
    value = hit.argument("device", 0)
    if value is None:
        return fix(rename, AddArgument(call, "@device()"))
    return fix(rename, _given(value))


def _is_storage(hit: Hit) -> bool:
    """`x.storage().cuda()`, and what `torch.load` hands to a function as its `map_location`."""
    owner = receiver(hit)
    if isinstance(owner, ast.Call) and isinstance(owner.func, ast.Attribute):
        return owner.func.attr in ("storage", "untyped_storage", "_typed_storage")
    around = (n for n in hit.module.enclosing(hit.node) if isinstance(n, ast.Lambda))
    first = {n.args.args[0].arg for n in around if len(n.args.args) == 2}
    return isinstance(owner, ast.Name) and owner.id in first


def _is_class(hit: Hit) -> bool:
    """`torch.Tensor.cuda(x)`: what is moved is the first argument."""
    owner = receiver(hit)
    return isinstance(owner, ast.Attribute) and owner.attr in ("Tensor", "Module", "Parameter")


def _given(value: ast.expr) -> Replace:
    """What a device is given as: a number, a text, a variable."""
    text = device_call(value.left, value) if isinstance(value, ast.BinOp) else device_call(value)
    return text if text is not None else Replace(value, "@device({which})", {"which": value})


@rewrites("C002", share="yes")
def move_by_text(hit: Hit) -> Fix | Refusal | None:
    """`x.to("cuda:0")` takes the text from the helper."""
    return _text(hit)


@rewrites("C004", share="yes")
def make_device(hit: Hit) -> Fix | Refusal | None:
    """`torch.device("cuda")`, `torch.device("cuda", i)`: the CPU has no numbers."""
    index = hit.argument("index", 1)
    if index is None or hit.call is None or hit.argument("type", 0) is not hit.node:
        return _text(hit)
    if not isinstance(hit.node, ast.Constant) or hit.node.value != "cuda":
        return _UNREAD_TEXT
    if number_is_read(hit.module, hit.call):
        return _READ_NUMBER
    return replace(hit.call, "{make}(@device({index}))", make=hit.call.func, index=index)


def _text(hit: Hit) -> Fix | Refusal | None:
    if isinstance(hit.node, ast.Name):
        return None  # mended where the name is given its text
    edit = device_call(hit.node, hit.module.parents.get(hit.node))
    if edit is not None and edit.text != "@device()" and number_is_read(hit.module, hit.node):
        return _READ_NUMBER
    return fix(edit) if edit is not None else _UNREAD_TEXT


@rewrites("C003", share="yes")
def name_device(hit: Hit) -> Fix | Refusal | None:
    """A device named anywhere else: only where it is evident that it is one."""
    if isinstance(hit.node, ast.Name) or is_helpers(hit):
        return None
    return (choice_by_type(hit) or _text(hit)) if _is_device(hit) else _NO_DEVICE


def _is_device(hit: Hit) -> bool:
    """By the name that the text is given to, by the function that takes it, by its number."""
    inner, outer = _outside_of_choice(hit)
    name = _receiving_name(hit, inner, outer)
    if name is not None:
        return _speaks_of_device(name) or (_has_number(hit) and name != "name")
    call = outer if isinstance(outer, ast.Call) else None
    if call is None:
        return _has_number(hit) and not isinstance(outer, (ast.Dict, ast.Subscript))
    called = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if called in _PROSE:
        return False
    if hit.module.dotted(call.func) in ("torch.set_default_device", "torch.load"):
        return True
    return _has_number(hit) or _parameter_is_device(hit, call, inner)


def _outside_of_choice(hit: Hit) -> tuple[ast.AST, ast.AST | None]:
    """Out of `a if b else c`, `a or b`, `"cuda:%d" % i`: the node that is given, and to what."""
    inner: ast.AST = hit.node
    outer = hit.module.parents.get(inner)
    while isinstance(outer, (ast.IfExp, ast.BoolOp, ast.BinOp)):
        inner, outer = outer, hit.module.parents.get(outer)
    return inner, outer


def _has_number(hit: Hit) -> bool:
    """ "cuda:0"; f"cuda:{rank}", where what is filled in is called as numbers of devices are."""
    number = hit.key.removeprefix("cuda:")
    if number == hit.key:
        return False
    if number.isdigit():
        return True
    filled = device_call(hit.node, hit.module.parents.get(hit.node))
    index = filled.holes.get("index") if filled is not None else None
    while isinstance(index, (ast.Call, ast.Subscript, ast.BinOp)):
        if isinstance(index, ast.Call) and getattr(index.func, "id", "") in ("int", "str", "len"):
            return True
        index = _named_by(index)
    name = getattr(index, "attr", getattr(index, "id", ""))
    is_number = isinstance(index, ast.Constant) and isinstance(index.value, int)
    return is_number or bool(_NUMBER.search(name.lower()))


def _named_by(node: ast.Call | ast.Subscript | ast.BinOp) -> ast.expr:
    """What gives an expression its name: `dist.get_rank()`, `gpus[0]`, `rank % 8`."""
    if isinstance(node, ast.BinOp):
        return node.left
    return node.func if isinstance(node, ast.Call) else node.value


def _receiving_name(hit: Hit, inner: ast.AST, outer: ast.AST | None) -> str | None:
    """The name that a value is given to: keyword, variable, parameter, entry, function."""
    if isinstance(outer, ast.keyword):
        call = hit.module.parents.get(outer)
        if outer.arg == "default" and isinstance(call, ast.Call):
            return _option(call)
        return outer.arg or ""
    if isinstance(outer, (ast.Assign, ast.AnnAssign)):
        target = outer.targets[0] if isinstance(outer, ast.Assign) else outer.target
        if isinstance(target, ast.Subscript):
            key = hit.module.string(target.slice)
            return key or ""
        return getattr(target, "id", getattr(target, "attr", ""))
    if isinstance(outer, ast.arguments):
        return _parameter(outer, inner)
    if isinstance(outer, ast.Dict) and inner in outer.values:
        key_node = outer.keys[outer.values.index(inner)]
        return hit.module.string(key_node) or ""
    if isinstance(outer, ast.Return):
        return getattr(hit.module.scopes.function_of(outer), "name", "")
    return None


def _option(call: ast.Call) -> str:
    """`parser.add_argument("--device", default=...)`: the option; else what is called."""
    names = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    return " ".join([*names, getattr(call.func, "attr", getattr(call.func, "id", ""))])


def _parameter(arguments: ast.arguments, default: ast.AST) -> str:
    places = [*arguments.posonlyargs, *arguments.args]
    pairs = list(
        zip(places[len(places) - len(arguments.defaults) :], arguments.defaults, strict=True)
    )
    pairs += [(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d]
    return next((arg.arg for arg, value in pairs if value is default), "")


def _speaks_of_device(name: str) -> bool:
    words = name.lower()
    return "device" in words or words in ("dev", "map_location", "accelerator") or "-dev " in words


def _parameter_is_device(hit: Hit, call: ast.Call, value: ast.AST) -> bool:
    """`f("cuda")`, where a function f of this file calls that parameter a device."""
    name = getattr(call.func, "id", getattr(call.func, "attr", ""))
    if value not in call.args:
        return False
    place = call.args.index(value)
    for node in hit.module.nodes:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            names = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
            if names[:1] in (["self"], ["cls"]):
                names = names[1:]
            return place < len(names) and _speaks_of_device(names[place])
    return False


@rewrites("C005", share="yes")
def choose_device(hit: Hit) -> Fix | Refusal | None:
    """`"cuda" if torch.cuda.is_available() else "cpu"` becomes one call of the helper."""
    if isinstance(hit.node, ast.Name):
        return None
    choice = choice_of(hit)
    text = device_call(hit.node, hit.module.parents.get(hit.node))
    if choice is None or text is None:
        return _UNREAD_TEXT
    asks = [n for n in ast.walk(choice.test) if _asks(hit, n)]
    if isinstance(choice, ast.IfExp) and _is_whole(choice, hit, asks):
        chosen = text.text.replace("@device(", "@available_device(")
        return fix(Replace(choice, chosen, text.holes))
    return fix(text, *(Replace(n.func, "@is_available") for n in asks if isinstance(n, ast.Call)))


def _is_whole(choice: ast.IfExp, hit: Hit, asks: list[ast.AST]) -> bool:
    """Nothing else is asked, and it is the CPU otherwise."""
    other = choice.orelse
    is_cpu = isinstance(other, ast.Constant) and other.value == "cpu"
    return choice.test in asks and choice.body is hit.node and is_cpu


def _asks(hit: Hit, node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and hit.module.dotted(node.func) == "torch.cuda.is_available"


@rewrites("C008", share="yes")
def ask_current(hit: Hit) -> Fix | Refusal | None:
    """`torch.cuda.current_device()`."""
    outer = hit.module.parents.get(hit.call) if hit.call is not None else None
    if isinstance(outer, ast.Call) and _is_number_of(hit, outer):
        return Refusal("torch.device takes a number here, which only CUDA has")
    if isinstance(outer, (ast.Compare, ast.BinOp)) or getattr(outer, "slice", None) is hit.call:
        return _READ_NUMBER
    return renamed(hit, "current_device")


def _is_number_of(hit: Hit, call: ast.Call) -> bool:
    """The second argument of `torch.device(kind, ...)`, where the kind is a variable."""
    is_made = hit.module.dotted(call.func) == "torch.device"
    return is_made and hit.call in call.args[1:] and not isinstance(call.args[0], ast.Constant)


@rewrites("C009", share="yes")
def set_device(hit: Hit) -> Fix | Refusal | None:
    """`torch.cuda.set_device(rank)`."""
    return renamed(hit, "set_device")


@rewrites("C010", share="yes")
def use_device(hit: Hit) -> Fix | Refusal | None:
    """`with torch.cuda.device(i):`."""
    if hit.key != "torch.cuda.device":
        return Refusal("device_of works without CUDA: it does nothing")
    is_block = isinstance(hit.module.parents.get(hit.call or hit.node), ast.withitem)
    return renamed(hit, "use_device") if is_block else Refusal("it is not the head of a with block")


_TYPES = "torch.cuda."


@rewrites("C013", share="partly")
def typed_tensor(hit: Hit) -> Fix | Refusal | None:
    """`torch.cuda.FloatTensor(3)`, `x.type(torch.cuda.FloatTensor)`, the default type."""
    call = hit.call
    if hit.key == "torch.set_default_tensor_type":
        return _default_type(hit, call)
    name = hit.key.removeprefix(_TYPES)
    if is_called(hit) and call is not None:
        if call.keywords or any(isinstance(a, ast.Starred) for a in call.args):
            return NOT_CALLED
        holes = {f"a{i}": arg for i, arg in enumerate(call.args)}
        args = "".join(f", {{{hole}}}" for hole in holes)
        return replace(call, f'@new_tensor("{name}"{args})', **holes)
    outer = hit.module.parents.get(hit.node)
    if isinstance(outer, ast.Call) and hit.node in outer.args:
        if hit.module.dotted(outer.func) == "torch.set_default_tensor_type":
            return None
        func = outer.func
        if isinstance(func, ast.Attribute) and func.attr == "type" and len(outer.args) == 1:
            return replace(outer, f'@to_type({{x}}, "{name}")', x=func.value)
    return Refusal("the type is kept in a variable or compared; name the dtype and the device")


def _default_type(hit: Hit, call: ast.Call | None) -> Fix | Refusal:
    if call is None or not is_called(hit) or len(call.args) != 1:
        return NOT_CALLED
    given = call.args[0]
    name = hit.module.string(given) or hit.module.dotted(given)
    if not name.startswith(_TYPES):
        return Refusal("no type of CUDA is evident here; torch.set_default_dtype says the same")
    return replace(call, f'@set_default_tensor_type("{name.removeprefix(_TYPES)}")')


@rewrites("C021", share="partly")
def device_facts(hit: Hit) -> Fix | Refusal | None:
    """The name of the device can be asked for anywhere; its properties are CUDA's."""
    if hit.key != "torch.cuda.get_device_name":
        return Refusal("the properties are those of CUDA; ask a table of features, by chip")
    return renamed(hit, "device_name")
