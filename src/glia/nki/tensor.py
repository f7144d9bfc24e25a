"""`nki.tensor`: the tensor type by its older module name."""

from glia.isa.tensors.tensor import NkiTensor

__all__ = ["NkiTensor"]
