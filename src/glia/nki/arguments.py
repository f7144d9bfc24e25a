"""A kernel's arguments: arrays of NumPy and PyTorch found in whatever holds them, and put back.

Tuples, lists, dicts, NKIObjects and dataclasses are opened; anything else passes as it is.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glia.core.dtypes import DType
from glia.core.dtypes import dtype as find_dtype
from glia.core.errors import KernelError
from glia.isa.objects import NKIObject
from glia.isa.rules import refusal
from glia.isa.sequencers.registers import VirtualRegister
from glia.isa.tensors.tensor import NkiTensor
from glia.nki.language.dtypes import PUBLIC

Leaf = Callable[[Any, str], Any]

DEVICE_FORMATS = ("bool", *(name for name in PUBLIC if name != "bool_"))
"""The names of the formats that tensors of a kernel can have."""

_NEAREST = {"float64": "float32", "int64": "int32", "uint64": "uint32"}


class TensorSpec:
    """Shape, dtype and strides (in elements; None = dense) of a tensor argument."""

    __slots__ = ("dtype", "shape", "strides")

    def __init__(
        self, shape: Sequence[int], dtype: DType, strides: tuple[int, ...] | None = None
    ) -> None:
        self.shape = tuple(shape)
        self.dtype = dtype
        self.strides = strides


def check_format(spec: TensorSpec, what: str, name: str) -> None:
    """Refuse formats that the chip does not have, such as NumPy's own float64 and int64."""
    if spec.dtype.name in DEVICE_FORMATS:
        return
    near = _NEAREST.get(spec.dtype.name)
    do = f"pass {name}.astype(np.{near}), or of a torch tensor {name}.to(torch.{near})"
    raise refusal(
        what,
        f"{spec.dtype} (NumPy's default)"
        if spec.dtype.name in ("float64", "int64")
        else str(spec.dtype),
        f"a format of the chip: {', '.join(DEVICE_FORMATS)}",
        do if near else "convert it first",
    )


def map_leaves(value: Any, leaf: Leaf, key: str = "") -> Any:
    """`value` with `leaf(part, name)` in place of each part; itself where nothing changed."""
    if isinstance(value, (list, tuple)):
        parts = [map_leaves(v, leaf, f"{key}_{i}") for i, v in enumerate(value)]
        if all(a is b for a, b in zip(parts, value, strict=True)):
            return value
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, dict):
        found = {k: map_leaves(v, leaf, f"{key}_{k}") for k, v in value.items()}
        return value if all(found[k] is v for k, v in value.items()) else found
    if _is_object(value):
        return _map_object(value, leaf, key)
    return leaf(value, key)


def _is_object(value: Any) -> bool:
    if isinstance(value, (type, NkiTensor, VirtualRegister)):
        return False
    return isinstance(value, NKIObject) or dataclasses.is_dataclass(value)


def _map_object(value: Any, leaf: Leaf, key: str) -> Any:
    fields = {f.name for f in dataclasses.fields(value)} if dataclasses.is_dataclass(value) else ()
    names = dict.fromkeys((*fields, *getattr(value, "__dict__", ())))
    made = value
    for name in names:
        if not hasattr(value, name):
            continue
        part = getattr(value, name)
        new = map_leaves(part, leaf, f"{key}_{name}")
        if new is not part:
            made = copy.copy(value) if made is value else made
            object.__setattr__(made, name, new)
    return made


def leaves(value: Any) -> list[Any]:
    """All parts of a value, in order."""
    found: list[Any] = []

    def note(part: Any, _: str) -> Any:
        found.append(part)
        return part

    map_leaves(value, note)
    return found


def is_torch(value: Any) -> bool:
    """True for PyTorch tensors; does not import PyTorch."""
    return type(value).__module__.partition(".")[0] == "torch" and hasattr(value, "detach")


def is_array(value: Any) -> bool:
    """True for NumPy arrays, PyTorch tensors, and other arrays that NumPy can read (JAX's)."""
    if isinstance(value, np.ndarray) or is_torch(value):
        return True
    named = hasattr(value, "__array__") and hasattr(value, "shape") and hasattr(value, "dtype")
    return named and not isinstance(value, (np.generic, type, NkiTensor))


@dataclasses.dataclass(slots=True)
class HostArray:
    """An array argument: what the caller has, and the dense memory that the kernel sees."""

    given: Any
    dense: np.ndarray
    view: np.ndarray

    @staticmethod
    def of(given: Any) -> HostArray:
        """Shares the caller's memory where it is dense; else a copy, see `put_back`."""
        if is_torch(given):
            from glia.frontends.torch.tensors import to_numpy

            view = to_numpy(given)
        else:
            view = np.asarray(given)
        dense = view if view.dtype.isnative else view.astype(view.dtype.newbyteorder("="))
        if not (dense.flags.c_contiguous and dense.flags.writeable):
            dense = np.array(dense, order="C")
        return HostArray(given, dense, view)

    @property
    def spec(self) -> TensorSpec:
        """What the kernel is traced for."""
        return TensorSpec(self.dense.shape, find_dtype(self.dense.dtype))

    def put_back(self) -> None:
        """Bring what the kernel wrote to the caller's array.

        Raises:
            KernelError: for a NumPy array that is read-only; arrays of frameworks without memory
                to write to (JAX) keep their values.
        """
        if np.may_share_memory(self.dense, self.view):
            return
        if self.view.flags.writeable:
            self.view[...] = self.dense
        elif isinstance(self.given, np.ndarray):
            raise KernelError(
                "a kernel writing an argument: got a read-only array, expected a writable one; "
                "pass a copy"
            )


def to_host(array: np.ndarray, torch: bool) -> Any:
    """A result as the caller's framework has it."""
    if not torch:
        return array
    from glia.frontends.torch.tensors import to_torch

    return to_torch(array)
