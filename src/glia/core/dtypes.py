"""The number formats of all chips, by one name each, with their NumPy representation.

Formats that NumPy lacks come from `ml_dtypes`. `float8_e4m3` is the IEEE-like kind of NeuronCore-v2
and v3 (largest finite value 240); `float8_e4m3fn` is the OCP kind (448).
"""

from __future__ import annotations

from dataclasses import dataclass

import ml_dtypes
import numpy as np

from glia.core.errors import choose


@dataclass(frozen=True, slots=True)
class DType:
    """One number format. `kind` is one of `float`, `int`, `uint`, `bool`, `complex`."""

    name: str
    kind: str
    itemsize: int
    numpy: np.dtype

    @property
    def is_float(self) -> bool:
        """True for every floating-point format."""
        return self.kind == "float"

    @property
    def is_integer(self) -> bool:
        """True for signed and unsigned integers, not for bool."""
        return self.kind in ("int", "uint")

    @property
    def unit_roundoff(self) -> float:
        """Largest relative error of one rounding to nearest (0 for integers and bool)."""
        return float(ml_dtypes.finfo(self.numpy).eps) / 2 if self.is_float else 0.0

    def __str__(self) -> str:
        return self.name


def _table() -> dict[str, DType]:
    rows = [
        ("bool", "bool", np.bool_),
        ("int8", "int", np.int8),
        ("int16", "int", np.int16),
        ("int32", "int", np.int32),
        ("int64", "int", np.int64),
        ("uint8", "uint", np.uint8),
        ("uint16", "uint", np.uint16),
        ("uint32", "uint", np.uint32),
        ("uint64", "uint", np.uint64),
        ("float8_e4m3", "float", ml_dtypes.float8_e4m3),
        ("float8_e4m3fn", "float", ml_dtypes.float8_e4m3fn),
        ("float8_e5m2", "float", ml_dtypes.float8_e5m2),
        ("bfloat16", "float", ml_dtypes.bfloat16),
        ("float16", "float", np.float16),
        ("float32", "float", np.float32),
        ("float64", "float", np.float64),
        ("complex64", "complex", np.complex64),
        ("complex128", "complex", np.complex128),
    ]
    return {n: DType(n, kind, np.dtype(t).itemsize, np.dtype(t)) for n, kind, t in rows}


DTYPES = _table()
_BY_NUMPY = {d.numpy: d for d in DTYPES.values()}
_ALIASES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "fp64": "float64"}


def dtype(name: str | DType | np.dtype | type) -> DType:
    """Look a format up by its name, an alias (`bf16`), or its NumPy dtype.

    Raises:
        UsageError: for a name that is not a format; lists the valid ones.
    """
    if isinstance(name, DType):
        return name
    if isinstance(name, str):
        return DTYPES[choose("dtype", _ALIASES.get(name, name), DTYPES)]
    found = _BY_NUMPY.get(np.dtype(name))
    return found if found is not None else DTYPES[choose("dtype", str(np.dtype(name)), DTYPES)]
