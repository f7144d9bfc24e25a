"""Every op, one file per family; importing this package declares them all.

Primitives take the name and meaning of the op of that name in StableHLO's specification
(https://openxla.org/stablehlo/spec). Elementwise ops take operands of one shape and format:
broadcasting is a node of its own.
"""

from glia.graph.ops import (
    activation,
    attention,
    contraction,
    elementwise,
    fusion,
    indexing,
    linear,
    normalization,
    pooling,
    reduction,
    shape,
)

__all__ = [
    "activation",
    "attention",
    "contraction",
    "elementwise",
    "fusion",
    "indexing",
    "linear",
    "normalization",
    "pooling",
    "reduction",
    "shape",
]
