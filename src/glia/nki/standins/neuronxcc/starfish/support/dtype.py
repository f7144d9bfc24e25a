"""Stand-in for `neuronxcc.starfish.support.dtype`: the casts of `neuron_dtypes`."""

from glia.nki.standins.neuron_dtypes import bfloat16, static_cast

__all__ = ["bfloat16", "static_cast"]
