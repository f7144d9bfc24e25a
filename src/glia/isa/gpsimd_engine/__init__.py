"""GpSimd engine: index patterns, gathers, searches and reductions across partitions. SBUF only.

Eight cores, each wired to 16 partitions. Sources: aws-neuron-sdk nki/api/nki/isa/__init__.py; cost:
git tag v2.26.1 of the same file, where it was last printed.
"""

from glia.isa.gpsimd_engine.across import sequence_bounds, tensor_partition_reduce
from glia.isa.gpsimd_engine.affine import affine_select, iota
from glia.isa.gpsimd_engine.gathers import local_gather, nc_n_gather
from glia.isa.gpsimd_engine.search import nonzero_with_count, topk

__all__ = [
    "affine_select",
    "iota",
    "local_gather",
    "nc_n_gather",
    "nonzero_with_count",
    "sequence_bounds",
    "tensor_partition_reduce",
    "topk",
]
