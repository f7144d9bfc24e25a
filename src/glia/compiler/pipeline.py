"""The passes that every model goes through, in order, for one precision."""

from __future__ import annotations

from glia.compiler.passes.base import PassPipeline
from glia.graph.ir import Graph

# Activations are recognised while their constants still have all their digits; attention only when
# one format reigns, so that no conversions stand in between.
_DEFAULT = (
    "eliminate-dead,open-composites,fold-constants,simplify,reassociate-constants,"
    "fold-constants,simplify,eliminate-common,narrow-types,"
    "recognise-activations,set-precision{{precision={precision}}},simplify,"
    "recognise-attention,recognise-pooling,simplify,eliminate-common,"
    "fuse-linear-activation,fuse-residual-norm,merge-linears,fuse-elementwise,eliminate-dead"
)


def default_pipeline(precision: str) -> PassPipeline:
    """The passes for `precision` (`bf16` or `fp32`)."""
    return PassPipeline.parse(_DEFAULT.format(precision=precision))


def optimise(graph: Graph, precision: str) -> tuple[Graph, tuple[str, ...]]:
    """The graph that is lowered to kernels, and what was done to it, in words for users."""
    return default_pipeline(precision).run(graph)
