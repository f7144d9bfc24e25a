"""Stand-in for `neuronxcc.nki.typing`: the annotations of `nki.typing`."""

from glia.nki.typing import mutable_tensor, tensor

__all__ = ["mutable_tensor", "tensor"]
