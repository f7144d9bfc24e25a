"""The Vector engine: elementwise work, copies, reductions along the free dims, statistics, scans.

float32 inside; conversion on write is free. Files by kind of instruction; `costs` has the cycles.
Sources: aws-neuron-sdk nki/api/nki/isa/__init__.py; chip constants in `chips/data`.
"""

from glia.isa.vector_engine.copies import (
    memset,
    tensor_copy,
    tensor_copy_predicated,
    transpose_on_vector,
)
from glia.isa.vector_engine.costs import engine_work
from glia.isa.vector_engine.elementwise import (
    reciprocal,
    scalar_tensor_tensor,
    tensor_scalar,
    tensor_tensor,
)
from glia.isa.vector_engine.reductions import tensor_reduce
from glia.isa.vector_engine.scan import tensor_tensor_scan
from glia.isa.vector_engine.statistics import bn_aggr, bn_stats

__all__ = [
    "bn_aggr",
    "bn_stats",
    "engine_work",
    "memset",
    "reciprocal",
    "scalar_tensor_tensor",
    "tensor_copy",
    "tensor_copy_predicated",
    "tensor_reduce",
    "tensor_scalar",
    "tensor_tensor",
    "tensor_tensor_scan",
    "transpose_on_vector",
]
