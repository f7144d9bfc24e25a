"""The number formats of all chips, by one name each, with their NumPy representation.

Formats that NumPy lacks come from `ml_dtypes`. `float8_e4m3` is the IEEE-like kind of NeuronCore-v2
and v3 (largest finite value 240); `float8_e4m3fn` is the OCP kind (448). `float8_e8m0fnu` holds the
powers of two that scale MX groups.

`tfloat32` lies in memory as float32: the 13 low mantissa bits are dropped by who computes with it
(see `round_tfloat32`). A packed format (`float8_e5m2_x4` and the like) is one opaque element that
holds four numbers, the first in its lowest bits; `pack` and `unpack` convert.
Source: aws-neuron-sdk nki/api/nki.api.shared.rst, nki/deep-dives/mxfp-matmul.rst.
"""

from __future__ import annotations

import ml_dtypes
import numpy as np

from glia.core.errors import choose


class DType(str):
    """One number format; a string, its name, as the public kernel language has it.

    `kind` is one of `float`, `int`, `uint`, `bool`, `complex`, `packed`. `element` is, for a packed
    format, the format of its four numbers.
    """

    __slots__ = ("element", "itemsize", "kind", "numpy")

    kind: str
    itemsize: int
    numpy: np.dtype
    element: DType | None

    def __new__(
        cls, name: str, kind: str, itemsize: int, numpy: np.dtype, element: DType | None = None
    ) -> DType:
        """A format of this name, `itemsize` bytes per element."""
        made = super().__new__(cls, name)
        made.kind, made.itemsize, made.numpy, made.element = kind, itemsize, numpy, element
        return made

    @property
    def name(self) -> str:
        """The name as a plain string."""
        return str(self)

    @property
    def is_float(self) -> bool:
        """True for every floating-point format."""
        return self.kind == "float"

    @property
    def is_integer(self) -> bool:
        """True for signed and unsigned integers, not for bool."""
        return self.kind in ("int", "uint")

    @property
    def is_packed(self) -> bool:
        """True for formats whose elements hold four numbers each."""
        return self.element is not None

    @property
    def unit_roundoff(self) -> float:
        """Largest relative error of one rounding to nearest (0 for integers and bool)."""
        if self.name == "tfloat32":
            return 2.0**-11
        return float(ml_dtypes.finfo(self.numpy).eps) / 2 if self.is_float else 0.0

    def __str__(self) -> str:
        return str.__str__(self)

    def __reduce__(self) -> tuple[object, ...]:
        return dtype, (str(self),)


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
        ("float8_e8m0fnu", "float", ml_dtypes.float8_e8m0fnu),
        ("float4_e2m1fn", "float", ml_dtypes.float4_e2m1fn),
        ("bfloat16", "float", ml_dtypes.bfloat16),
        ("float16", "float", np.float16),
        ("tfloat32", "float", np.float32),
        ("float32", "float", np.float32),
        ("float64", "float", np.float64),
        ("complex64", "complex", np.complex64),
        ("complex128", "complex", np.complex128),
    ]
    found = {n: DType(n, kind, np.dtype(t).itemsize, np.dtype(t)) for n, kind, t in rows}
    for name, bits in (("float8_e5m2", "<u4"), ("float8_e4m3fn", "<u4"), ("float4_e2m1fn", "<u2")):
        # A field named for the format keeps two packed formats of one size apart.
        layout = np.dtype([(f"{name}_x4", bits)])
        found[f"{name}_x4"] = DType(f"{name}_x4", "packed", layout.itemsize, layout, found[name])
    return found


DTYPES = _table()
_BY_NUMPY = {d.numpy: d for d in DTYPES.values()}  # float32 comes after tfloat32 and wins
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


def round_tfloat32(array: np.ndarray) -> np.ndarray:
    """float32 values rounded to tfloat32's 10 mantissa bits, to nearest even; NaN and inf stay."""
    bits = array.astype(np.float32).view(np.uint32)
    rounded = (bits + (0xFFF + ((bits >> 13) & 1))) & np.uint32(0xFFFFE000)
    return np.where(np.isfinite(array), rounded.view(np.float32), array)


def unpack(array: np.ndarray, kind: DType) -> np.ndarray:
    """float32 [..., 4] of a packed array [...] of `kind` (its own dtype, or the bits as uints)."""
    assert kind.element is not None, f"{kind} is not packed"
    width = 8 * kind.itemsize // 4
    bits = np.asarray(array, order="C").view(f"<u{kind.itemsize}")
    shifts = np.arange(4, dtype=bits.dtype) * width
    codes = (bits[..., None] >> shifts) & ((1 << width) - 1)
    return codes.astype(np.uint8).view(kind.element.numpy).astype(np.float32)


def pack(values: np.ndarray, kind: DType) -> np.ndarray:
    """Packed array [...] of `kind` from float32 [..., 4]: to nearest even, saturating."""
    assert kind.element is not None, f"{kind} is not packed"
    width = 8 * kind.itemsize // 4
    limit = float(ml_dtypes.finfo(kind.element.numpy).max)
    codes = np.clip(values, -limit, limit).astype(kind.element.numpy).view(np.uint8)
    bits = np.zeros(values.shape[:-1], f"<u{kind.itemsize}")
    for place in range(4):
        bits |= codes[..., place].astype(bits.dtype) << (place * width)
    return bits.view(kind.numpy)
