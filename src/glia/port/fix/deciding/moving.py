"""What must be known of an object before its `.cuda()` becomes `.to()`, or the helper does what
its `pin_memory()` did.

Tensors and modules of PyTorch have both, with one meaning. What else may stand before the dot is
rewritten only where nothing speaks against it: no class of the project has a `cuda` of its own, and
it is not made by a package of which nobody knows what its objects are.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from glia.port.fix.deciding.facts import Facts
from glia.port.rules.conditions import receiver
from glia.port.rules.rule import Rule
from glia.port.source.dataflow.values import is_tensor
from glia.port.source.hits import Hit

# Packages whose classes and functions give tensors and modules of PyTorch.
_FAMILY = re.compile(
    r"torch\w*|\w+_?(?:pytorch|torch)|pytorch_\w+|timm|transformers|diffusers|accelerate|peft"
    r"|lightning|monai|kornia|open_clip|clip|sentence_transformers|segmentation_models_pytorch"
    r"|fairseq|mm\w+|detectron2|ultralytics|whisper|einops|vector_quantize_pytorch|effdet|lpips"
)
_SAME = {
    "eval", "train", "half", "float", "double", "bfloat16", "cpu", "cuda", "to", "detach", "copy",
    "requires_grad_", "contiguous", "clone", "type", "unsqueeze", "squeeze", "view", "reshape",
    "deepcopy",
}  # fmt: skip
_TENSORS = ("pin_memory", "record_stream", "is_cuda")
_DEEPEST = 6


def why_not_own(facts: Facts, hit: Hit, rule: Rule) -> str:
    """Why a method stays that a class of the project may define; empty when it may go."""
    if rule.id == "C001" and hit.kind == "method":
        return _why_not_moved(facts, hit)
    if rule.id == "C139" and hit.call is not None and facts.own.get("to"):
        func = hit.call.func
        if isinstance(func, ast.Attribute) and func.attr == "to":
            is_known = is_tensor(hit.module, func.value) or _is_module(facts, hit, func.value, 0)
            return (
                "" if is_known else _may_be(facts.own["to"], "whose method to has another meaning")
            )
    name = hit.key if hit.kind in ("method", "attribute") else ""
    found = facts.own.get(name, ()) if name in _TENSORS else ()
    if not found or not isinstance(hit.node, ast.Attribute):
        return ""
    is_tensors = _is_made_tensor(hit, hit.node.value)
    return "" if is_tensors else _may_be(found, f"which has a {name} of its own")


def _may_be(found: Sequence[str], what: str) -> str:
    return f"it may be a {found[0]}, {what}"


def _is_made_tensor(hit: Hit, node: ast.expr) -> bool:
    """By what makes it: that its `pin_memory` is called says nothing where others have one."""
    if not isinstance(node, ast.Name):
        return is_tensor(hit.module, node)
    values = _given(hit, node)
    return bool(values) and all(is_tensor(hit.module, value) for value in values)


def _why_not_moved(facts: Facts, hit: Hit) -> str:
    """Why `x.cuda()` stays; empty when nothing speaks against `x.to()`."""
    owner = receiver(hit)
    if owner is None or is_tensor(hit.module, owner):
        return ""
    if _is_indexed_by_text(hit, owner):
        return "it is indexed by names, so it is no tensor: see that it has a method to"
    own, heirs = facts.own.get("cuda"), facts.own.get("heir.to")
    if (own or heirs) and not _is_module(facts, hit, owner, 0):
        if own:
            return _may_be(own, "whose method cuda .to() would not call")
        return _may_be(heirs or (), "whose own method to would be called instead")
    package = _foreign(facts, hit, owner, 0)
    if package:
        return f"{package} makes it: see that what it makes has a method to, as tensors have"
    return ""


def _is_indexed_by_text(hit: Hit, owner: ast.expr) -> bool:
    """`db["x"]` beside `db.cuda()`, of a name that nothing in the file evidently made."""
    if not isinstance(owner, ast.Name) or _given(hit, owner):
        return False
    function = hit.module.scopes.function_of(owner)
    return any(
        isinstance(node, ast.Subscript)
        and getattr(node.value, "id", "") == owner.id
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
        and hit.module.scopes.function_of(node) is function
        for node in hit.module.nodes
    )


def _is_module(facts: Facts, hit: Hit, node: ast.expr, depth: int) -> bool:
    """Evidently a module of PyTorch, or of the project without a `cuda` or `to` of its own."""
    if depth > _DEEPEST:
        return False
    if isinstance(node, ast.Call):
        name = hit.module.dotted(node.func)
        if name.startswith("torch.nn."):
            return True
        if getattr(node.func, "attr", getattr(node.func, "id", "")) in facts.plain:
            return True
        func = node.func
        keeps = isinstance(func, ast.Attribute) and func.attr in _SAME
        return keeps and _is_module(facts, hit, func.value, depth + 1)  # type: ignore[attr-defined]
    if isinstance(node, ast.Name) and node.id == "self":
        around = hit.module.scopes.class_of(node)
        return around is not None and around.name in facts.plain
    values = _given(hit, node)
    return bool(values) and all(_is_module(facts, hit, v, depth + 1) for v in values)


def _foreign(facts: Facts, hit: Hit, node: ast.expr, depth: int) -> str:
    """The package that makes the object, when it is neither the project's nor one of PyTorch's."""
    if depth > _DEEPEST:
        return ""
    if isinstance(node, ast.Call):
        root = hit.module.dotted(node.func).split(".")[0]
        if root:
            is_known = root in facts.files or _FAMILY.fullmatch(root) or root in ("copy",)
            return "" if is_known else root
        func = node.func
        if isinstance(func, ast.Attribute) and func.attr in _SAME:
            return _foreign(facts, hit, func.value, depth + 1)
        return ""
    found = (_foreign(facts, hit, value, depth + 1) for value in _given(hit, node))
    return next((package for package in found if package), "")


def _given(hit: Hit, node: ast.expr) -> Sequence[ast.expr]:
    """What a name or attribute is given in the file, but for itself moved or cast."""
    if isinstance(node, ast.Name):
        values: Sequence[ast.expr] = hit.module.scopes.given(node, node.id)
    elif isinstance(node, ast.Attribute):
        values = hit.module.assigned_to_attribute(node.attr)
    else:
        return ()
    return [value for value in values if not _continues(value, ast.unparse(node))]


def _continues(value: ast.expr, name: str) -> bool:
    """`x = x.cuda()`."""
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        if value.func.attr not in _SAME:
            return False
        value = value.func.value
    return ast.unparse(value) == name
