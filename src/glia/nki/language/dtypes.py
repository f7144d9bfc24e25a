"""The dtypes of the kernel language, by their public names; each is a string, its name.

Source: aws-neuron-sdk nki/api/nki/language/__init__.py.
"""

from __future__ import annotations

from typing import Any

from glia.core.dtypes import DTYPES, DType
from glia.core.dtypes import dtype as _find
from glia.core.errors import GliaError, KernelError

bool_ = DTYPES["bool"]
int8 = DTYPES["int8"]
int16 = DTYPES["int16"]
int32 = DTYPES["int32"]
uint8 = DTYPES["uint8"]
uint16 = DTYPES["uint16"]
uint32 = DTYPES["uint32"]
float16 = DTYPES["float16"]
bfloat16 = DTYPES["bfloat16"]
tfloat32 = DTYPES["tfloat32"]
float32 = DTYPES["float32"]
float8_e4m3 = DTYPES["float8_e4m3"]
float8_e4m3fn = DTYPES["float8_e4m3fn"]
float8_e5m2 = DTYPES["float8_e5m2"]
float8_e8m0fnu = DTYPES["float8_e8m0fnu"]
float8_e5m2_x4 = DTYPES["float8_e5m2_x4"]
float8_e4m3fn_x4 = DTYPES["float8_e4m3fn_x4"]
float4_e2m1fn_x4 = DTYPES["float4_e2m1fn_x4"]

PUBLIC = tuple(name for name, kind in globals().copy().items() if isinstance(kind, DType))
_ALIASES = {"bool_": "bool"}


def find(kind: Any, what: str) -> DType:
    """The format meant by a `dtype` argument: a name, one of nl's dtypes, or NumPy's.

    Raises:
        KernelError: for what is no format of the chip; lists those.
    """
    try:
        found = _find(_ALIASES.get(kind, kind) if isinstance(kind, str) else kind)
    except (GliaError, TypeError):
        found = None
    if found is None or globals().get(found.name, bool_) != found:
        names = ", ".join(f"nl.{name}" for name in PUBLIC)
        raise KernelError(f"{what}: got dtype {kind!r}, expected one of {names}")
    return found
