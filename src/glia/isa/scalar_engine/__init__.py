"""Scalar engine: activation functions of scaled and shifted data, with a running reduction.

float32 inside. Sources: aws-neuron-sdk nki/api/nki/isa/__init__.py; cost: git tag v2.26.1 of the
same file; rates of nki/guides/architecture/trainium3_arch.rst.
"""

from glia.isa.scalar_engine.activate2 import activate2
from glia.isa.scalar_engine.activation import activation, activation_reduce

__all__ = ["activate2", "activation", "activation_reduce"]
