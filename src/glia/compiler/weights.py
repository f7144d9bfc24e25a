"""Tensors in safetensors files, in every number format that the chips store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save_file

from glia.core.dtypes import dtype
from glia.core.errors import FormatError

# What the file format calls each number format (safetensors README, "Format").
_FORMATS = {
    "BOOL": "bool", "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64",
    "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64",
    "BF16": "bfloat16", "F16": "float16", "F32": "float32", "F64": "float64",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name."""
    save_file({name: np.ascontiguousarray(data) for name, data in tensors.items()}, str(path))


def read_tensors(data: bytes) -> dict[str, np.ndarray]:
    """Arrays by name, read-only.

    Raises:
        FormatError: when the bytes are no safetensors file.
    """
    try:
        pairs = deserialize(data)
    except SafetensorError as error:
        raise FormatError(f"reading tensors: got a damaged file ({error})") from None
    return {name: _array(record) for name, record in pairs}


def _array(record: Mapping[str, Any]) -> np.ndarray:
    kind = dtype(_FORMATS[record["dtype"]]).numpy
    return np.frombuffer(record["data"], dtype=kind).reshape(record["shape"])
