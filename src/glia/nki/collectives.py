"""`nki.collectives`: what ranks exchange, under the public names.

`nki.simulate_ranks(kernel, n)` runs a kernel on n virtual ranks, which meet here.
"""

from glia.isa.meetings.collectives import (
    ReplicaGroup,
    all_gather,
    all_reduce,
    all_to_all,
    collective_permute,
    reduce_scatter,
)
from glia.isa.meetings.collectives_prepared import (
    all_gather_v_prepare,
    all_gather_v_trigger,
    all_to_all_v_prepare,
    all_to_all_v_trigger,
)
from glia.isa.meetings.collectives_ring import (
    collective_permute_implicit,
    collective_permute_implicit_current_processing_rank_id,
    collective_permute_implicit_reduce,
    rank_id,
)
from glia.isa.meetings.collectives_variable import all_gather_v, all_to_all_v

__all__ = [
    "ReplicaGroup",
    "all_gather",
    "all_gather_v",
    "all_gather_v_prepare",
    "all_gather_v_trigger",
    "all_reduce",
    "all_to_all",
    "all_to_all_v",
    "all_to_all_v_prepare",
    "all_to_all_v_trigger",
    "collective_permute",
    "collective_permute_implicit",
    "collective_permute_implicit_current_processing_rank_id",
    "collective_permute_implicit_reduce",
    "rank_id",
    "reduce_scatter",
]
