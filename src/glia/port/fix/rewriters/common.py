"""What several rewriters share: reading a CUDA device out of a text, renaming a called function."""

from __future__ import annotations

import ast

from glia.port.fix.editing.edits import AddArgument, Fix, Refusal, Replace, replace
from glia.port.fix.helper.helper_text import HELPER_NAME
from glia.port.rules.conditions import is_called
from glia.port.source.hits import Hit

NOT_CALLED = Refusal("it is passed on and not called here, so that its arguments are not known")


def device_call(node: ast.AST, enclosing: ast.AST | None = None) -> Replace | None:
    """The edit that turns a text such as "cuda", "cuda:0" or f"cuda:{i}" into a call of the helper.

    `enclosing` is the node around it: the text may be filled in there by `%`, `+` or `.format`.
    """
    if isinstance(node, ast.JoinedStr):
        return _from_f_string(node)
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        return None
    if isinstance(enclosing, ast.BinOp) and enclosing.left is node:
        return _from_operator(node, enclosing)
    name, colon, index = node.value.partition(":")
    if name != "cuda":
        return None
    if not colon:
        return Replace(node, "@device()")
    return Replace(node, f"@device({index})") if _is_index(index) else None


def _is_index(text: str) -> bool:
    return text.isdigit() and str(int(text)) == text


def _from_operator(node: ast.Constant, outer: ast.BinOp) -> Replace | None:
    """`"cuda:%d" % i`, `"cuda:" + str(i)`."""
    if isinstance(outer.op, ast.Mod) and node.value in ("cuda:%d", "cuda:%s", "cuda:%i"):
        if isinstance(outer.right, (ast.Tuple, ast.Dict)):
            return None
        return Replace(outer, "@device({index})", {"index": outer.right})
    if isinstance(outer.op, ast.Add) and node.value == "cuda:":
        return Replace(outer, "@device({index})", {"index": outer.right})
    return None


def _from_f_string(node: ast.JoinedStr) -> Replace | None:
    """f"cuda:{i}": one plain value behind the colon."""
    if len(node.values) != 2:
        return None
    head, value = node.values
    if not (isinstance(head, ast.Constant) and head.value == "cuda:"):
        return None
    if not isinstance(value, ast.FormattedValue) or value.conversion != -1 or value.format_spec:
        return None
    return Replace(node, "@device({index})", {"index": value.value})


def is_helpers(hit: Hit) -> bool:
    """An argument of a call of the helper, which takes what CUDA's function took."""
    func = hit.call.func if hit.call is not None else None
    if func is None:
        return False
    parts = (hit.module.dotted(func) or hit.module.project_name(func)).split(".")
    is_ours = len(parts) > 1 and parts[-2].startswith(HELPER_NAME)
    return is_ours and parts[-2].replace("_device", "") == HELPER_NAME  # where a name is taken


def renamed(hit: Hit, name: str) -> Fix | Refusal:
    """The called function under the helper's name; its arguments stay as they stand."""
    return replace(hit.node, f"@{name}") if is_called(hit) else NOT_CALLED


def add_argument(call: ast.Call, text: str, name: str = "") -> AddArgument:
    """One more argument."""
    return AddArgument(call, text, name)


def has_stars(call: ast.Call) -> bool:
    """Arguments that only running tells: `*args` or `**options`."""
    return any(isinstance(a, ast.Starred) for a in call.args) or any(
        k.arg is None for k in call.keywords
    )


def statement_of(hit: Hit) -> ast.AST | None:
    """The statement whose whole is the call or attribute, as `torch.cuda.empty_cache()`."""
    inner: ast.AST = hit.call if is_called(hit) and hit.call is not None else hit.node
    outer = hit.module.parents.get(inner)
    return outer if isinstance(outer, ast.Expr) else None
