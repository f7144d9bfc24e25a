"""`NkiTensor`, the tensor of the kernel language: a view with indexing, layouts and store sugar.

Python's operators are refused with the instruction to use: the public tensor has none.
Source: aws-neuron-sdk nki/api/nki/language/__init__.py (NkiTensor).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glia.core.dtypes import dtype as find_dtype
from glia.isa.objects import NKIObject
from glia.isa.tensors.addressing import Columns, DynamicSlice, Indirection, Rows, Shift
from glia.isa.tensors.indexing import Indexing
from glia.isa.tensors.layouts import Layouts
from glia.isa.tensors.refusals import NoArray, comparing, refusing
from glia.isa.tensors.storage import ON_CHIP, MemoryRegion, Storage, dense_strides
from glia.isa.tensors.view import View

__all__ = [
    "ON_CHIP", "Columns", "DynamicSlice", "Indirection", "MemoryRegion", "NkiTensor", "Rows",
    "Shift", "Storage", "dense_strides",
]  # fmt: skip


_shown: Callable[[NkiTensor], str] | None = None


def on_show(function: Callable[[NkiTensor], str] | None) -> None:
    """Set what `str(tensor)` and so `print` show, while values exist; None: shape and dtype."""
    global _shown
    _shown = function


class NkiTensor(Indexing, Layouts, NoArray, NKIObject):
    """A strided view; immutable. Indexing, `reshape`, `ap` and the like give further views."""

    __slots__ = ()

    def __init__(
        self,
        shape: Sequence[int],
        dtype: Any,
        storage: Any,
        buffer: MemoryRegion | str = MemoryRegion.sbuf,
        name: str = "",
    ) -> None:
        """A whole tensor on `storage`; with None one that only carries shape, dtype and buffer."""
        sizes = tuple(int(n) for n in shape)
        kind = find_dtype(dtype)
        if storage is None:
            region = MemoryRegion(buffer)
            shared = region is MemoryRegion.shared_hbm
            storage = Storage(-1, name, region.memory, sizes, kind, shared=shared)
        whole = NkiTensor.whole(storage)
        made = (whole if kind == storage.dtype else whole.view(kind)).reshape(sizes)
        for slot in View.__slots__:
            setattr(self, slot, getattr(made, slot))

    @property
    def data(self) -> NkiTensor:
        """The tensor itself, as a grid's `data` is one (NKI 0.7)."""
        return self

    def __str__(self) -> str:
        return repr(self) if _shown is None else _shown(self)

    def __setitem__(self, key: Any, value: Any) -> None:
        """Store sugar: a DMA where HBM takes part, else a copy between on-chip tiles."""
        from glia.isa.launch.builder import INSTRUCTIONS  # instructions are made of tensors

        if not isinstance(value, NkiTensor):
            raise self.refused(
                "assigning to", type(value).__name__, "a tensor", "fill with nisa.memset"
            )
        both = self.on_chip and value.on_chip
        INSTRUCTIONS["tensor_copy" if both else "dma_copy"](self[key], value)

    def __bool__(self) -> bool:
        """True: there is a tensor, as public kernels ask of what may be None; warned of.

        Source: aws-neuron nki-library 2.29, core/mlp/mlp_tkg (`if params.expert_index:`).
        """
        from glia.isa.unspecified import warn_here

        warn_here(
            f"branching on {self!r}: got a tensor, which is true whatever it holds; say `is not "
            "None` if that is meant, else nl.where or nisa.tensor_copy_predicated pick elements"
        )
        return True

    # -- what Python would do with an array, and a kernel cannot --------------------------------

    __iter__ = refusing("iteration", "range(tensor.shape[0]) and indexing")
    __int__ = __float__ = refusing("conversion to a number", "nisa.register_load")
    __add__ = __radd__ = refusing("+", "nl.add or nisa.tensor_tensor")
    __sub__ = __rsub__ = refusing("-", "nl.subtract or nisa.tensor_tensor")
    __mul__ = __rmul__ = refusing("*", "nl.multiply or nisa.tensor_tensor")
    __truediv__ = __rtruediv__ = refusing("/", "nl.reciprocal and nl.multiply")
    __floordiv__ = __rfloordiv__ = refusing("//", "nl.multiply and nl.floor")
    __mod__ = __rmod__ = refusing("%", "nisa.tensor_scalar")
    __pow__ = __rpow__ = refusing("**", "nl.power or nl.square")
    __matmul__ = __rmatmul__ = refusing("@", "nl.matmul or nisa.nc_matmul")
    __and__ = __rand__ = refusing("&", "nl.bitwise_and")
    __or__ = __ror__ = refusing("|", "nl.bitwise_or")
    __xor__ = __rxor__ = refusing("^", "nl.bitwise_xor")
    __lshift__ = __rlshift__ = refusing("<<", "nl.left_shift")
    __rshift__ = __rrshift__ = refusing(">>", "nl.right_shift")
    __neg__ = refusing("unary -", "nl.negative")
    __abs__ = refusing("abs", "nl.abs")
    __invert__ = refusing("~", "nl.invert")
    __lt__ = comparing("<", "nl.less")
    __le__ = comparing("<=", "nl.less_equal")
    __gt__ = comparing(">", "nl.greater")
    __ge__ = comparing(">=", "nl.greater_equal")

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        """Identity, so that `tensor == None` and `tensor in tensors` work; never values."""
        if isinstance(other, (int, float, np.number)):
            comparing("==", "nl.equal")(self)
        return self is other

    def __ne__(self, other: object) -> bool:
        """As `==`; two tensors are never compared by it but by mistake."""
        tensor = isinstance(other, NkiTensor) and other is not self
        if tensor or isinstance(other, (int, float, np.number)):
            comparing("!=", "nl.not_equal")(self)
        return self is not other
