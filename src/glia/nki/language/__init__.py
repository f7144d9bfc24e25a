"""`nki.language`: dtypes, buffers, allocation, loops, and functions that are operators too."""

from typing import Any

from glia.isa.objects import NKIObject
from glia.isa.tensors.storage import MemoryRegion
from glia.isa.tensors.tensor import NkiTensor
from glia.nki import names as _names
from glia.nki.language import dtypes
from glia.nki.language.buffers import (
    hbm,
    is_hbm,
    is_on_chip,
    is_psum,
    is_sbuf,
    private_hbm,
    psum,
    sbuf,
    shared_hbm,
)
from glia.nki.language.grids import (
    NkiBlockGrid,
    NkiGrid,
    NkiTileGrid,
    alloc_blocks,
    alloc_tiles,
    blocks,
    tiles,
)
from glia.nki.language.loops import (
    affine_range,
    dynamic_range,
    fori_loop,
    sequential_range,
    static_range,
    while_loop,
)
from glia.nki.language.memory import (
    empty_like,
    full,
    ndarray,
    ones,
    shared_constant,
    shared_identity_matrix,
    zeros,
    zeros_like,
)
from glia.nki.language.movement import (
    broadcast_to,
    ds,
    expand_dims,
    gather_flattened,
    load,
    load_transpose2d,
    matmul,
    store,
    transpose,
)
from glia.nki.language.operators import OPERATORS as _OPERATORS
from glia.nki.language.program import (
    device_print,
    no_reorder,
    num_programs,
    program_id,
    program_ndim,
)
from glia.nki.language.random import rand, random_seed
from glia.nki.language.reductions import (
    all,
    dropout,
    max,
    mean,
    min,
    prod,
    rms_norm,
    softmax,
    sum,
    var,
    where,
)
from glia.nki.language.rounding import ROUNDING as _ROUNDING
from glia.nki.language.tile_size import _TileSize, tile_size

_TABLES: dict[str, Any] = {
    **{name: getattr(dtypes, name) for name in dtypes.PUBLIC},
    **_OPERATORS,
    **_ROUNDING,
    # Not in the public API, but in kernels of its own library.
    "bool": dtypes.bool_,
    "range": range,
}


def __getattr__(name: str) -> Any:
    try:
        return _TABLES[name]
    except KeyError:
        raise _names.unknown("nki.language", name, __dir__(), _names.LANGUAGE) from None


def __dir__() -> list[str]:
    return sorted({*__all__, *_TABLES})


__all__ = [
    "MemoryRegion",
    "NKIObject",
    "NkiBlockGrid",
    "NkiGrid",
    "NkiTensor",
    "NkiTileGrid",
    "_TileSize",
    "affine_range",
    "all",
    "alloc_blocks",
    "alloc_tiles",
    "blocks",
    "broadcast_to",
    "device_print",
    "dropout",
    "ds",
    "dynamic_range",
    "empty_like",
    "expand_dims",
    "fori_loop",
    "full",
    "gather_flattened",
    "hbm",
    "is_hbm",
    "is_on_chip",
    "is_psum",
    "is_sbuf",
    "load",
    "load_transpose2d",
    "matmul",
    "max",
    "mean",
    "min",
    "ndarray",
    "no_reorder",
    "num_programs",
    "ones",
    "private_hbm",
    "prod",
    "program_id",
    "program_ndim",
    "psum",
    "rand",
    "random_seed",
    "rms_norm",
    "sbuf",
    "sequential_range",
    "shared_constant",
    "shared_hbm",
    "shared_identity_matrix",
    "softmax",
    "static_range",
    "store",
    "sum",
    "tile_size",
    "tiles",
    "transpose",
    "var",
    "where",
    "while_loop",
    "zeros",
    "zeros_like",
]
