"""The Vector engine: one lane per partition, float32 inside, conversion on write free.

Files by kind of instruction; `costs` has the cycles, `accumulator` the register that reductions on
the side share. Sources: aws-neuron-sdk nki/api/nki/isa/__init__.py; chip constants in `chips/data`.
"""

from glia.isa.vector_engine.copies import (
    memset,
    nc_stream_shuffle,
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
from glia.isa.vector_engine.generators import (
    dropout,
    rand2,
    rand_get_state,
    rand_set_state,
    rng,
    set_rng_seed,
)
from glia.isa.vector_engine.microscaling import quantize_mx
from glia.isa.vector_engine.reductions import exponential, tensor_reduce, tensor_scalar_reduce
from glia.isa.vector_engine.scan import tensor_scalar_cumulative, tensor_tensor_scan
from glia.isa.vector_engine.search import max8, nc_find_index8, nc_match_replace8
from glia.isa.vector_engine.selection import range_select, select_reduce
from glia.isa.vector_engine.statistics import bn_aggr, bn_stats

__all__ = [
    "bn_aggr",
    "bn_stats",
    "dropout",
    "engine_work",
    "exponential",
    "max8",
    "memset",
    "nc_find_index8",
    "nc_match_replace8",
    "nc_stream_shuffle",
    "quantize_mx",
    "rand2",
    "rand_get_state",
    "rand_set_state",
    "range_select",
    "reciprocal",
    "rng",
    "scalar_tensor_tensor",
    "select_reduce",
    "set_rng_seed",
    "tensor_copy",
    "tensor_copy_predicated",
    "tensor_reduce",
    "tensor_scalar",
    "tensor_scalar_cumulative",
    "tensor_scalar_reduce",
    "tensor_tensor",
    "tensor_tensor_scan",
    "transpose_on_vector",
]
