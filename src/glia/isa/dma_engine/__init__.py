"""The DMA engines: copies, gathers and scatters, transposes, sums on the way.

One file by kind of instruction; `descriptors.py` holds what they share: who builds descriptors, on
which queue, in how many pieces.
"""

from glia.isa.dma_engine.compute import dma_compute
from glia.isa.dma_engine.copies import dma_copy
from glia.isa.dma_engine.transposes import dma_transpose

__all__ = ["dma_compute", "dma_copy", "dma_transpose"]
