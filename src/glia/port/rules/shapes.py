"""Rules about shapes that only the data know."""

from __future__ import annotations

import ast
import re

from glia.port.rules.conditions import (
    all_of,
    first_argument,
    in_loop,
    in_torch_file,
    is_called,
    is_true,
    last_name,
    on_tensor,
    receiver,
    without,
)
from glia.port.rules.rule import Advice, Rule, index, keyword, method, per_family, use
from glia.port.rules.sources import EXPORT_PROBE, RECOMPILATION, neuron_sdk
from glia.port.source.dataflow.masks import is_mask
from glia.port.source.dataflow.values import is_array, is_tensor
from glia.port.source.hits import Hit

_LENGTHS = re.compile(r"(^|_)(lengths?|lens|counts?|repeats|durations?|sizes|seqlens)$")
_POSITIONS = ("i_", "idx_", "index_", "id_", "n_", "num_")
_ARRAYS = {"numpy", "pandas", "polars", "datasets", "xarray"}
_PAST = re.compile(r"(^|_)(past|cache|cached|prev|kv)(_|$)")


def _one_argument(hit: Hit) -> bool:
    return hit.call is not None and len(hit.call.args) == 1 and not hit.call.keywords


def _by_mask(hit: Hit) -> bool:
    """`x[mask]`, `x[~mask]`, `x[x > 0]`, `x[:, keep]`."""
    node = hit.node
    if not isinstance(node, ast.Subscript) or is_array(hit.module, node.value):
        return False
    where = node.slice
    parts = where.elts if isinstance(where, ast.Tuple) else [where]
    return any(_selects(hit, node.value, part) for part in parts)


def _selects(hit: Hit, taken: ast.expr, where: ast.expr) -> bool:
    """This part of an index evidently is a mask, or is named like one."""
    if isinstance(where, ast.UnaryOp) and isinstance(where.op, ast.Invert):
        where = where.operand
    if is_mask(hit.module, where):
        return True
    if isinstance(where, ast.Compare):
        same = ast.dump(where.left) == ast.dump(taken)
        if _is_text(where):
            return False
        if same or is_tensor(hit.module, where) or "mask" in last_name(where.left):
            return True
        return is_tensor(hit.module, taken) or not hit.module.roots & _ARRAYS
    if isinstance(where, ast.Name) and _is_comparison(hit, where):
        return True
    name = last_name(where)
    return name == "mask" or (name.endswith("_mask") and not name.startswith(_POSITIONS))


def _is_comparison(hit: Hit, where: ast.Name) -> bool:
    """`keep = scores > 0.5` was given to the index; with NumPy in the file, of a tensor."""
    given = hit.module.scopes.given(where, where.id)
    if not given or not all(isinstance(value, ast.Compare) for value in given):
        return False
    if any(_is_text(value) for value in given if isinstance(value, ast.Compare)):
        return False
    if "numpy" not in hit.module.roots:
        return not any(is_array(hit.module, value) for value in given)
    return any(is_tensor(hit.module, value) for value in given)


def _is_text(node: ast.Compare) -> bool:
    return any(isinstance(getattr(side, "value", None), str) for side in node.comparators)


def _distinct(hit: Hit) -> bool:
    """`x.unique()`, where the file knows no tables of pandas."""
    if hit.module.roots & {"pandas", "polars", "datasets"}:
        return is_tensor(hit.module, receiver(hit))
    return on_tensor(hit)


def _no_classes(hit: Hit) -> bool:
    classes = hit.argument("num_classes", 1)
    return isinstance(classes, ast.UnaryOp) or without("num_classes", 1)(hit)


def _by_lengths(hit: Hit) -> bool:
    """The lengths are a tensor, or named like one; a plain number repeats by a fixed amount."""
    if hit.argument("output_size") is not None:
        return False
    given = hit.argument("repeats", 0 if hit.kind == "method" else 1)
    return _is_lengths(hit, given)


def _split_by_lengths(hit: Hit) -> bool:
    place = 0 if hit.kind == "method" else 1
    given = hit.argument("split_size_or_sections", place)
    return not isinstance(given, ast.Constant) and _is_lengths(hit, given)


def _is_lengths(hit: Hit, node: ast.expr | None) -> bool:
    func = node.func if isinstance(node, ast.Call) else None
    if isinstance(func, ast.Attribute) and func.attr == "tolist":
        return True
    return is_tensor(hit.module, node) or bool(_LENGTHS.search(last_name(node)))


def _pads_to_longest(hit: Hit) -> bool:
    """`tokenizer(texts, padding=True)`; a convolution's padding is a number."""
    value = hit.node.value if isinstance(hit.node, ast.keyword) else None
    if hit.argument("pad_to_multiple_of") is not None:
        return False
    return is_true(hit) or (isinstance(value, ast.Constant) and value.value == "longest")


def _pads_batch(hit: Hit) -> bool:
    """`tokenizer.pad(rows, return_tensors="pt")` pads to the longest unless it is told more."""
    padding = hit.argument("padding", 1)
    is_fixed = isinstance(padding, ast.Constant) and padding.value in ("max_length", False)
    is_told = hit.argument("pad_to_multiple_of") is not None or is_fixed
    return hit.argument("return_tensors") is not None and not is_told


def _no_multiple(hit: Hit) -> bool:
    padding = hit.argument("padding")
    if isinstance(padding, ast.Constant) and padding.value == "max_length":
        return False
    return is_called(hit) and hit.argument("pad_to_multiple_of") is None


def _grows(hit: Hit) -> bool:
    """`k = torch.cat([past_k, k])`; `ids = torch.cat([ids, new])` in a loop."""
    parts = first_argument(hit)
    if not isinstance(parts, (ast.List, ast.Tuple)) or not parts.elts:
        return False
    first = parts.elts[0]
    base = first.value if isinstance(first, ast.Subscript) else first
    if _PAST.search(last_name(base)):
        return True
    outer = hit.module.parents.get(hit.call) if hit.call is not None else None
    if not isinstance(outer, ast.Assign) or not in_loop(hit):
        return False
    if ast.unparse(outer.targets[0]) != ast.unparse(first):
        return False
    return not _starts_anew(hit, outer, parts)


def _starts_anew(hit: Hit, outer: ast.Assign, parts: ast.List | ast.Tuple) -> bool:
    """`z = torch.cat([z, z])`, or a name that the same loop gives a new value each time."""
    if len({ast.unparse(part) for part in parts.elts}) == 1:
        return True
    name = ast.unparse(outer.targets[0])
    loops = (ast.For, ast.While, ast.AsyncFor)
    loop = next((n for n in hit.module.enclosing(outer) if isinstance(n, loops)), None)
    return any(
        isinstance(node, ast.Assign)
        and node is not outer
        and ast.unparse(node.targets[0]) == name
        and not any(getattr(n, "id", "") == name for n in ast.walk(node.value))
        for node in getattr(loop, "body", ())
    )


_FIXED = "torch.where(mask, x, 0), and weigh the sum"

RULES: tuple[Rule, ...] = (
    Rule(
        id="C081",
        title="positions of true values are asked for",
        category="shape",
        why="the shape of the result depends on the data",
        triggers=(
            use("torch.nonzero", "torch.argwhere"),
            use("torch.where", when=_one_argument),
            method("nonzero", "argwhere", when=on_tensor),
        ),
        on=per_family(
            Advice("raises", "arithmetic with masks, top-k of a fixed k, or the CPU", "hours"),
            Advice("slower", "arithmetic with masks, or top-k of a fixed k", "hours"),
        ),
        bad="import torch\ni = torch.nonzero(x)\n",
        good="import torch\ny = torch.where(x > 0, x, z)\nn = torch.count_nonzero(x)\n",
        grade="seen",
        sources=(EXPORT_PROBE, RECOMPILATION, neuron_sdk("issues/698")),
    ),
    Rule(
        id="C082",
        title="values are taken out by a mask",
        category="shape",
        why="the shape of the result depends on the data",
        triggers=(
            index("load", when=_by_mask),
            use("torch.masked_select"),
            method("masked_select", when=on_tensor),
        ),
        on=per_family(
            Advice("raises", _FIXED, "hours"),
            Advice("slower", _FIXED, "hours"),
        ),
        bad="import torch\ny = x[mask].mean()\n",
        good="import torch\ny = masks[0]\nz = table[mask_id]\nw = torch.where(mask, x, 0)\n",
        grade="seen",
        sources=(EXPORT_PROBE, neuron_sdk("issues/717")),
    ),
    Rule(
        id="C083",
        title="distinct values, counts or classes come out of the data",
        category="shape",
        why="the shape of the result depends on the data",
        triggers=(
            use("torch.unique", "torch.unique_consecutive", "torch.bincount"),
            use("torch.nn.functional.one_hot", when=_no_classes),
            method("unique", "bincount", "unique_consecutive", when=_distinct),
        ),
        on=per_family(
            Advice("raises", "one_hot(x, n); a sort of fixed size; or the host", "hours"),
            Advice("slower", "one_hot(x, n); a sort of fixed size; or the host", "hours"),
        ),
        bad="import torch\nu = torch.unique(x)\n",
        good="import torch\nu = torch.nn.functional.one_hot(x, 10)\n",
        grade="seen",
        sources=(EXPORT_PROBE,),
    ),
    Rule(
        id="C084",
        title="a tensor is repeated or split by lengths from the data",
        category="shape",
        why="the shape of the result depends on the data",
        triggers=(
            use("torch.repeat_interleave", when=_by_lengths),
            method("repeat_interleave", when=_by_lengths),
            use("torch.split", when=_split_by_lengths),
            method("split", when=_split_by_lengths),
        ),
        on=per_family(
            Advice("raises", "gather with an index that is computed beforehand", "hours"),
            Advice("slower", "gather with an index that is computed beforehand", "hours"),
        ),
        bad="import torch\ny = torch.repeat_interleave(x, lengths)\n",
        good="import torch\ny = torch.repeat_interleave(x, 4, dim=1)\n",
        grade="seen",
        sources=(EXPORT_PROBE,),
    ),
    Rule(
        id="C085",
        title="each batch is padded to its own longest",
        category="shape",
        why="each new length is a new shape, and is compiled",
        triggers=(
            keyword("padding", when=all_of(in_torch_file, _pads_to_longest)),
            use("torch.nn.utils.rnn.pad_sequence"),
            method("pad", when=_pads_batch),
            use(
                "transformers.DataCollatorWithPadding",
                "transformers.DataCollatorForSeq2Seq",
                "transformers.DataCollatorForTokenClassification",
                when=_no_multiple,
            ),
        ),
        on=per_family(
            Advice("slower", "pad to a few lengths, and compile them beforehand", "hours"),
            Advice("slower", "pad to a few lengths, and compile them beforehand", "hours"),
        ),
        bad="from transformers import AutoTokenizer\nb = tok(texts, padding=True)\n",
        good='from transformers import AutoTokenizer\nb = tok(texts, padding="max_length")\n',
        grade="documented",
        sources=(RECOMPILATION, neuron_sdk("issues/420")),
    ),
    Rule(
        id="C086",
        title="a cache or a sequence grows by torch.cat",
        category="shape",
        why="the shape changes with every token",
        triggers=(use("torch.cat", "torch.concat", "torch.concatenate", when=_grows),),
        on=per_family(
            Advice("slower", "a cache of fixed length, written by index", "hours"),
            Advice("slower", "StaticCache, or a paged kernel", "hours"),
        ),
        bad="import torch\nk = torch.cat([past_key, k], dim=2)\n",
        good="import torch\nk = torch.cat([a, b], dim=2)\n",
        grade="documented",
        sources=(
            neuron_sdk(
                "blob/master/vllm-neuron/docs/design/vllm/decode-context-length-bucketing.md"
            ),
            "https://github.com/vllm-project/vllm/issues/14580",
        ),
    ),
    Rule(
        id="C100",
        title="nested tensors are used",
        category="shape",
        why="their layout is ragged",
        triggers=(use("torch.nested.*"),),
        on=per_family(
            Advice("raises", "pad, and mask", "days"),
            Advice("raises", "pad, and mask", "days"),
        ),
        bad="import torch\nx = torch.nested.nested_tensor([a, b])\n",
        good="import torch\nx = torch.stack([a, b])\n",
        grade="general",
        sources=(RECOMPILATION,),
    ),
)
