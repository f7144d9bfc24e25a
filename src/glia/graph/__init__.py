"""The tensor graph: few primitives, composites over them, shape rules, reference meaning, text.

Importing this package declares every op. The modules: `ir` (what a graph is), `op` and `ops/`
(what an op is, and all of them), `builder`, `rewrite` (passes), `evaluate`, `verify`, `text`.
"""

from glia.graph import ops
from glia.graph.builder import GraphBuilder
from glia.graph.ir import Graph, GraphError, Node, TensorType, Value
from glia.graph.op import OPS, Op
from glia.graph.rewrite import Rewriter, extract, prune, rebuild, substitute

__all__ = [
    "OPS",
    "Graph",
    "GraphBuilder",
    "GraphError",
    "Node",
    "Op",
    "Rewriter",
    "TensorType",
    "Value",
    "extract",
    "ops",
    "prune",
    "rebuild",
    "substitute",
]
