"""From graph nodes to kernel launches: one rule per op, one file per family.

`context.py` says what a rule may do; `lower` runs the rules in program order.
"""

from glia.compiler.lowering import (
    attention,
    elementwise,
    indexing,
    matmul,
    normalization,
    reduction,
    shapes,
)
from glia.compiler.lowering.context import RULES, Lowering, lowers

__all__ = [
    "RULES",
    "Lowering",
    "attention",
    "elementwise",
    "indexing",
    "lowers",
    "matmul",
    "normalization",
    "reduction",
    "shapes",
]
