"""`nki.language`: dtypes, buffers, allocation, loops, and the operators that instructions take."""

from typing import Any

from glia.core.dtypes import DTYPES as _DTYPES
from glia.isa.tokens import TOKENS as _TOKENS
from glia.nki.language.loops import affine_range, sequential_range, static_range
from glia.nki.language.memory import (
    ds,
    full,
    hbm,
    is_hbm,
    is_on_chip,
    is_psum,
    is_sbuf,
    load,
    ndarray,
    ones,
    private_hbm,
    psum,
    sbuf,
    shared_constant,
    shared_hbm,
    store,
    tile_size,
    zeros,
)

bool_ = _DTYPES["bool"]
_NAMES: dict[str, Any] = {**_TOKENS, **{n: d for n, d in _DTYPES.items() if n != "bool"}}


def __getattr__(name: str) -> Any:
    try:
        return _NAMES[name]
    except KeyError:
        raise AttributeError(f"nki.language has no name {name!r}") from None


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})


__all__ = [
    "affine_range",
    "bool_",
    "ds",
    "full",
    "hbm",
    "is_hbm",
    "is_on_chip",
    "is_psum",
    "is_sbuf",
    "load",
    "ndarray",
    "ones",
    "private_hbm",
    "psum",
    "sbuf",
    "sequential_range",
    "shared_constant",
    "shared_hbm",
    "static_range",
    "store",
    "tile_size",
    "zeros",
]
