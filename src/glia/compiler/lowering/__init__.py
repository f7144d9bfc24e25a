"""From graph nodes to kernel launches: one rule per op, one file per family.

`context.py` says what a rule may do; `check_supported` refuses, all at once, what has no rule.
"""

from glia.compiler.lowering import (
    attention,
    elementwise,
    indexing,
    matmul,
    normalization,
    pooling,
    reduction,
    shapes,
)
from glia.compiler.lowering.context import RULES, Lowering, lowers
from glia.compiler.lowering.support import check_supported

__all__ = [
    "RULES",
    "Lowering",
    "attention",
    "check_supported",
    "elementwise",
    "indexing",
    "lowers",
    "matmul",
    "normalization",
    "pooling",
    "reduction",
    "shapes",
]
