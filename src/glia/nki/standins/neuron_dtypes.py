"""Stand-in for `neuron_dtypes`: the chip's number formats in NumPy, and casts between them."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from glia.core.dtypes import DTYPES, DType, pack, round_tfloat32, unpack
from glia.core.dtypes import dtype as _find

bfloat16 = ml_dtypes.bfloat16
float8_e4m3 = ml_dtypes.float8_e4m3
float8_e4m3fn = ml_dtypes.float8_e4m3fn
float8_e5m2 = ml_dtypes.float8_e5m2
float8_e8m0fnu = ml_dtypes.float8_e8m0fnu
tfloat32 = DTYPES["tfloat32"]
float8_e5m2_x4 = DTYPES["float8_e5m2_x4"]
float8_e4m3fn_x4 = DTYPES["float8_e4m3fn_x4"]
float4_e2m1fn_x4 = DTYPES["float4_e2m1fn_x4"]

# As ml_dtypes does for its formats: `np.zeros(shape, dtype=nl.float8_e4m3fn_x4)` works by the name.
for _kind in (tfloat32, float8_e5m2_x4, float8_e4m3fn_x4, float4_e2m1fn_x4):
    np.sctypeDict.setdefault(str(_kind), _kind.numpy)  # type: ignore[arg-type]


def static_cast(array: Any, dtype: Any) -> np.ndarray:
    """The array in another format, to nearest even; packed formats take four numbers per element.

    The last dim shrinks by four on the way into a packed format and grows by four out of it.
    """
    data, kind = np.asarray(array), _find(dtype)
    source = _find(data.dtype)
    if source == kind:
        return data
    if source.is_packed:
        wide = unpack(data, source)
        data = wide.reshape(*wide.shape[:-2], -1)
    if kind.is_packed:
        return pack(data.astype(np.float32).reshape(*data.shape[:-1], -1, 4), kind)
    if kind == tfloat32:
        return round_tfloat32(data)
    with np.errstate(all="ignore"):
        return data.astype(kind.numpy)


def sizeinbytes(dtype: Any) -> int:
    """Bytes of one element."""
    return _find(dtype).itemsize


def is_float_type(dtype: Any) -> bool:
    """True for floating-point formats."""
    return _find(dtype).is_float


def finfo(dtype: Any) -> Any:
    """Limits of a floating-point format, of a packed one those of its numbers."""
    kind: DType = _find(dtype)
    return ml_dtypes.finfo((kind.element or kind).numpy)
