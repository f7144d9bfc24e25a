"""How large an error may be: what follows from the format that values are stored in, and depth.

A launch computes in fp32 and rounds its result once; attention rounds its probabilities too. Both
rules have a second look for ill-conditioned numbers: not "is the value near the reference", but
"is it as near as roundings let any computation come".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glia.graph.evaluate import evaluate_node
from glia.graph.ir import Node
from glia.port.errors import row_errors
from glia.port.noise import FP32, num_terms, rms

Array = np.ndarray[Any, Any]

_FP32_ROUNDINGS = 8  # fp32 roundings on one term's way through a launch, functions included
_AMPLIFY = 2  # growth of errors that launches hand on, beyond their random walk
_SAFETY = 4  # of the expected noise of `noise.py`: roundings are not independent
LIMIT = 0.3  # an error of this share of a value proves nothing, however it came about

BUDGET_RULE = (
    "Errors are root mean squares, relative to the reference. One launch alone, against NumPy in "
    "float64 on the same operands, in its worst row: one unit roundoff of the stored format (two "
    f"for attention) plus {_FP32_ROUNDINGS} of fp32 times the square root of the terms summed; "
    "where terms cancel, also what such roundings of the operands would change. Against PyTorch, "
    f"with all that went before: that, times {_AMPLIFY} times the square root of the depth in "
    f"launches; where a model magnifies roundings, {_SAFETY} times the noise to expect there: the "
    "difference between evaluating the graph with one rounding to the stored format per operation "
    f"and in float64; for an output never more than {LIMIT}. Integers must be equal, unless that "
    "noise moves them too. NaN fails."
)


def local_budget(node: Node) -> float:
    """Relative error that one launch may add to a row (see BUDGET_RULE)."""
    kind = node.result.type.dtype
    if not kind.is_float:
        return 0.0
    roundings = 2 if node.op == "attention" else 1
    return roundings * kind.unit_roundoff + _fp32_noise(node)


def accumulated_budget(local: float, depth: int) -> float:
    """Relative error that may have gathered after `depth` launches."""
    return min(local * math.sqrt(max(depth, 1)) * _AMPLIFY, LIMIT)


def magnified_budget(noise: float) -> float:
    """The same where the relative noise to expect is `noise`, however large: a mean of zero-mean
    numbers is all noise, and right."""
    return _SAFETY * (noise + FP32)


def local_error(
    node: Node, value: Array, oracle: Array, operands: Callable[[], Sequence[Array]], budget: float
) -> float:
    """The worst row's relative error; rows over `budget` get the second look."""
    error, scale = row_errors(value, oracle)
    # Functions are computed in fp32: a tail far below the tensor's scale has no digits left.
    error = np.maximum(error - _FP32_ROUNDINGS * FP32 * rms(oracle), 0.0)
    if (error > budget * scale).any() and np.isfinite(error).all():
        spread = _AMPLIFY * _spread(node, oracle, operands())
        error = np.maximum(error - spread, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(error == 0, 0.0, error / scale)
    return float(relative.max(initial=0.0))


def _spread(node: Node, oracle: Array, operands: Sequence[Array]) -> Array:
    """RMS change of each row when the operands are changed by roundings, at random."""
    rng = np.random.default_rng(0)
    changed = [
        _rounded(array, _operand_noise(node, place), rng) for place, array in enumerate(operands)
    ]
    return row_errors(evaluate_node(node, changed, "float64"), oracle)[0]


def disturbed(node: Node, operands: Sequence[Array], relative: Sequence[float]) -> Array:
    """The node's float64 result when each operand is off by its relative error, at random."""
    rng = np.random.default_rng(0)
    changed = [_rounded(a, unit, rng) for a, unit in zip(operands, relative, strict=True)]
    return evaluate_node(node, changed, "float64")


def _operand_noise(node: Node, place: int) -> float:
    """Attention weighs its values with probabilities in the stored format."""
    if node.op == "attention" and place == 2:
        return node.result.type.dtype.unit_roundoff
    return _AMPLIFY * _fp32_noise(node)


def _rounded(array: Array, unit: float, rng: np.random.Generator) -> Array:
    if array.dtype.kind in "iub":
        return array
    wide = array.astype(np.float64)
    return wide * (1 + unit * rng.uniform(-1, 1, wide.shape))


def _fp32_noise(node: Node) -> float:
    return _FP32_ROUNDINGS * FP32 * math.sqrt(num_terms(node))
