"""`nl.tile_size`: limits of the target, inside a kernel and outside.

Source: aws-neuron-sdk nki/api/nki.language.tile_size.rst.
"""

from __future__ import annotations

import os

from glia.isa.objects import NKIObject
from glia.isa.target import PARTITIONS, Target
from glia.nki.target import ambient_target

_FP32_BYTES = 4
_TRANSPOSE_BY_TENSOR_ENGINE = "NKI_DMA_TRANSPOSE_AS_PE_TRANSPOSE"


class _TileSize(NKIObject):
    """Sizes in elements unless the name says bytes; per partition unless it says otherwise."""

    pmax = PARTITIONS
    bn_stats_fmax = 512
    # No value is published: PSUM holds 32-bit accumulators, SBUF is addressed by byte.
    psum_min_align = _FP32_BYTES
    sbuf_min_align = 1

    @property
    def _target(self) -> Target:
        return ambient_target()

    @property
    def psum_bank_fmax_bytes(self) -> int:
        """Bytes of one PSUM bank."""
        return self._target.psum_bank_bytes

    @property
    def psum_bank_fmax(self) -> int:
        """float32 elements of one PSUM bank."""
        return self.psum_bank_fmax_bytes // _FP32_BYTES

    psum_fmax = psum_bank_fmax  # deprecated since 0.4

    @property
    def psum_num_banks(self) -> int:
        """PSUM banks that a kernel may use; DMA transposes by the Tensor engine take one."""
        taken = os.environ.get(_TRANSPOSE_BY_TENSOR_ENGINE, "").lower() in ("1", "true")
        lowered = taken and self._target.can.dma_transpose
        return self._target.psum_banks - (1 if lowered else 0)

    @property
    def gemm_stationary_fmax(self) -> int:
        """Columns of a stationary tile."""
        return self._target.max_stationary

    @property
    def gemm_moving_fmax(self) -> int:
        """Columns of a moving tile whose float32 result fills one PSUM bank.

        The same on every generation: kernels written for NeuronCore-v4, which itself takes longer
        moving tiles, count on 512 (aws-neuron-sdk nki/deep-dives/src/mxfp-matmul/mx_kernels.py).
        """
        return self.psum_bank_fmax

    @property
    def sbuf_size_bytes(self) -> int:
        """Usable SBUF bytes of all partitions together."""
        return self.sbuf_fmax_bytes * PARTITIONS

    @property
    def sbuf_fmax_bytes(self) -> int:
        """Usable SBUF bytes."""
        return self._target.sbuf_bytes

    @property
    def sbuf_fmax(self) -> int:
        """float32 elements that fit into SBUF."""
        return self.sbuf_fmax_bytes // _FP32_BYTES

    total_available_sbuf_size = sbuf_fmax_bytes  # deprecated since 0.4: per partition


tile_size = _TileSize()
