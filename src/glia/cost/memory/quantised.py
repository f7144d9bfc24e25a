"""Weights that a config says are quantised: how the matrices are stored, and which are left out.

Known methods give the bytes of their public layouts (`layouts.py`); any other gives a range from
four bits to no saving at all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from glia.cost.memory import layouts
from glia.cost.memory.architecture import Architecture, Block, Layer, Weight
from glia.cost.memory.layouts import Layout, Range

# What stands behind the layers; the methods leave it in the model's format unless told otherwise.
_HEADS = ("lm_head", "embed_out", "score", "classifier", "qa_outputs")
_SKIP_KEYS = ("modules_to_not_convert", "ignored_layers", "llm_int8_skip_modules", "ignore")


@dataclass(frozen=True, slots=True)
class Quantised:
    """How linear maps are stored. `block` is the (rows, columns) that share a scale; 0: none.

    `skipped` are patterns of modules that stay as they are, `only` those that alone are quantised
    (empty: all). `only_experts` leaves out everything but experts.
    """

    method: str
    layout: Layout
    block: tuple[int, int] = (0, 0)
    skipped: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    only_experts: bool = False
    is_known: bool = True

    def bytes_of(self, weight: Weight) -> Range:
        """(least, likely, most) bytes of all copies of a linear weight."""
        count = weight.copies * math.prod(weight.shape[:-2])
        rows, columns = weight.shape[-2:]
        least, likely, most = self.layout(rows, columns)
        return count * least, count * likely, count * most

    def takes(self, path: str) -> bool:
        """True when the linear map at `path` is quantised."""
        if self.only_experts and "experts" not in path.split("."):
            return False
        if self.only and not any(_matches(pattern, path) for pattern in self.only):
            return False
        return not any(_matches(pattern, path) for pattern in self.skipped)


def quantised(config: Mapping[str, Any], itemsize: int) -> Quantised | None:
    """What `quantization_config` says; None when there is none. `itemsize` is the unquantised."""
    method = config.get("quant_method")
    if not isinstance(method, str) or not method:
        return None
    found = _of_method(method, config)
    if found is None:
        unknown = layouts.between(min(0.5, itemsize), itemsize, itemsize)
        found = Quantised(method, unknown, is_known=False)
    skipped = [name for key in _SKIP_KEYS for name in _names(config.get(key))]
    # compressed-tensors names the head itself where it is left out.
    if not config.get("lm_head") and method != "compressed-tensors":
        skipped += _HEADS
    only = tuple(_names(config.get("modules_in_block_to_quantize")))
    return replace(found, skipped=tuple(skipped), only=only)


def _of_method(method: str, config: Mapping[str, Any]) -> Quantised | None:
    """The layout of a method, or None when it, or its settings, are not known here."""
    bits, group = _bits_and_group(config)
    if method == "gptq" and bits in (2, 3, 4, 8):
        layout = layouts.packed_groups(bits, group, zeros=True, order=True)
        return Quantised(method, layout, (0, group))
    if method == "awq" and bits in (4, 8):
        has_zeros = config.get("zero_point", True) is not False
        layout = layouts.packed_groups(bits, group, zeros=has_zeros, order=False)
        return Quantised(method, layout, (0, group))
    if method == "fp8":
        return _fp8(method, config)
    if method == "fbgemm_fp8":
        return Quantised(method, layouts.blocks(8, (1, 0), 4))
    if method == "mxfp4":
        return Quantised(method, layouts.blocks(4, (1, 32), 1), (0, 32), only_experts=True)
    if method == "bitsandbytes" and config.get("load_in_8bit"):
        return Quantised(method, layouts.blocks(8, (1, 0), 4))
    if method == "bitsandbytes" and config.get("load_in_4bit"):
        is_nested = bool(config.get("bnb_4bit_use_double_quant"))
        return Quantised(method, layouts.bitsandbytes_4bit(is_nested))
    if method == "compressed-tensors":
        return _compressed(method, config)
    return None


def _bits_and_group(config: Mapping[str, Any]) -> tuple[int, int]:
    """Bits and group size; 0 is one group for all inputs, and the default of the methods is 128."""
    bits = config.get("bits", config.get("w_bit"))
    group = config.get("group_size", config.get("q_group_size", 128))
    found = group if _is_size(group) else 0 if group == -1 else 128
    return (bits if _is_size(bits) else 0), found


def _pair(value: Any) -> tuple[int, int] | None:
    is_pair = isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_size, value))
    return (value[0], value[1]) if is_pair else None


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _fp8(method: str, config: Mapping[str, Any]) -> Quantised:
    """8-bit floats: a float32 scale per block, or one per matrix, beside one of its inputs."""
    size = _pair(config.get("weight_block_size"))
    if size is not None:
        return Quantised(method, layouts.blocks(8, size, 4), size)
    inputs = 4.0 if config.get("activation_scheme") == "static" else 0.0
    return Quantised(method, layouts.blocks(8, (0, 0), 4, inputs))


def _compressed(method: str, config: Mapping[str, Any]) -> Quantised | None:
    """compressed-tensors with one group of settings for all linear maps."""
    table = config.get("config_groups")
    groups = list(table.values()) if isinstance(table, Mapping) else []
    only = groups[0] if len(groups) == 1 and isinstance(groups[0], Mapping) else {}
    weights = only.get("weights")
    if not isinstance(weights, Mapping) or not _is_size(weights.get("num_bits")):
        return None
    bits, group, strategy = weights["num_bits"], weights.get("group_size"), weights.get("strategy")
    block: tuple[int, int] | None = {"tensor": (0, 0), "channel": (1, 0)}.get(str(strategy))
    if strategy in ("group", "tensor_group") and isinstance(group, int) and group > 0:
        block = (1, group)
    shape = weights.get("block_structure")
    if strategy == "block":
        block = _pair(shape)
    if block is None:
        return None
    if weights.get("type") == "float" and bits == 4:  # NVFP4: 8-bit scales, a global one
        return Quantised(method, layouts.blocks(4, block, 1, 4), (0, block[1]))
    scale = 2.0 if weights.get("symmetric", True) else 2.0 + bits / 8
    layout = layouts.blocks(bits, block, scale, 16 if bits < 8 else 0)  # packed: its shape beside
    return Quantised(method, layout, (0, block[1]) if block[0] == 1 else block)


def _names(value: Any) -> Iterator[str]:
    """The texts in a text, a list or lists of lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _names(part)


def _matches(pattern: str, path: str) -> bool:
    """A pattern names some of the segments of a path in a row, or is a regular expression."""
    if pattern.startswith("re:"):
        try:
            return re.match(pattern[3:], f"model.{path}") is not None
        except re.error:
            return False
    wanted, found = _from_layers(pattern.strip(".").split(".")), path.split(".")
    starts = range(len(found) - len(wanted) + 1)
    return any(
        all(fnmatchcase(f, w) for f, w in zip(found[at:], wanted, strict=False)) for at in starts
    )


def _from_layers(segments: list[str]) -> list[str]:
    """A path from its layers on: what stands before differs from model to model."""
    for name in ("layers", "h", "block", "blocks"):
        if name in segments:
            return ["layers", *segments[segments.index(name) + 1 :]]
    return segments


def with_quantised(model: Architecture, found: Quantised) -> Architecture:
    """The model whose weights say by `is_linear` which of them are stored in the other format."""
    made: dict[tuple[int, Block], Layer] = {}
    layers = []
    for index, layer in enumerate(model.layers):
        block = _marked(layer.block, found, f"layers.{index}.")
        key = (id(layer), block)
        layers.append(made.setdefault(key, replace(layer, block=block)))
    return replace(
        model,
        layers=tuple(layers),
        embedding=_marked(model.embedding, found, ""),
        head=_marked(model.head, found, ""),
        scale_block=found.block,
    )


def _marked(block: Block, found: Quantised, prefix: str) -> Block:
    weights = tuple(replace(w, is_linear=_is_taken(w, found, prefix)) for w in block.weights)
    return replace(block, weights=weights)


def _is_taken(weight: Weight, found: Quantised, prefix: str) -> bool:
    path = ".".join(_from_layers((prefix + weight.name.removesuffix(".weight")).split(".")))
    return weight.is_linear and found.takes(path)
