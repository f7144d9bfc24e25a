"""Tensors and number formats between PyTorch and NumPy, without copying where it is possible.

NumPy lacks bfloat16 and the 8-bit floats; their bits go through an integer view and come back as
the `ml_dtypes` format of the same name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from glia.core.dtypes import DTYPES, DType, dtype
from glia.core.errors import UnsupportedError
from glia.graph.ir import TensorType, Value

_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def dtype_of(torch_dtype: torch.dtype) -> DType:
    """The format of the same name.

    Raises:
        UnsupportedError: for a PyTorch format that glia has no name for (quantised, sub-byte).
    """
    name = str(torch_dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise UnsupportedError(
            f"reading a tensor: got dtype {name}, expected one of {', '.join(sorted(DTYPES))}; "
            "convert it before the model is called"
        )
    return DTYPES[name]


def torch_dtype(name: str | DType) -> torch.dtype:
    """The PyTorch format of the same name."""
    found = getattr(torch, dtype(name).name)
    assert isinstance(found, torch.dtype)
    return found


def to_numpy(tensor: torch.Tensor) -> np.ndarray:
    """The tensor's data as an array; shares memory when the tensor is a plain one on the CPU."""
    tensor = tensor.detach().resolve_conj().resolve_neg().cpu()
    format = dtype_of(tensor.dtype)
    if tensor.dtype == torch.bfloat16 or format.name.startswith("float8"):
        return tensor.view(_BITS[format.itemsize]).numpy().view(format.numpy)
    return np.asarray(tensor.numpy())


def to_torch(array: np.ndarray) -> torch.Tensor:
    """The array as a tensor of the same format; copied, so that it is writable and owned."""
    format = dtype(array.dtype)
    data = np.array(array, order="C")
    if format.name == "bfloat16" or format.name.startswith("float8"):
        bits = torch.from_numpy(data.view(np.dtype(f"i{format.itemsize}")))
        return bits.view(torch_dtype(format))
    return torch.from_numpy(data)


def type_of(tensor: torch.Tensor) -> TensorType:
    """Shape and format of a (possibly fake) tensor whose sizes are all plain integers."""
    return TensorType(tuple(int(n) for n in tensor.shape), dtype_of(tensor.dtype))


def is_static(tensor: torch.Tensor) -> bool:
    """True when no size of the tensor depends on data or is symbolic."""
    return all(isinstance(n, int) for n in tensor.shape)


def promoted(x: object, y: object) -> DType:
    """The format in which PyTorch computes with two graph values or Python numbers."""
    return dtype_of(torch.result_type(_standin(x), _standin(y)))


def _standin(operand: Any) -> Any:
    if not isinstance(operand, Value):
        return operand
    shape, format = operand.type.shape, torch_dtype(operand.type.dtype)
    return torch.empty(shape, dtype=format, device="meta")
