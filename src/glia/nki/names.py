"""Names that a module of the public API does not have: what came after them, or the nearest one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

LANGUAGE = {
    "arange": "slices and nl.ds(start, size)",
    "mgrid": "slices and nl.ds(start, size)",
    "par_dim": "shapes whose dim 0 is the partition dim",
    "spmd_dim": "kernel[num_cores](...)",
    "nc": "kernel[num_cores](...)",
    "static_cast": "nl.copy(x, dtype=...)",
    "loop_reduce": "an accumulator tile outside the loop, or PSUM with nki.isa.nc_matmul",
    "atomic_rmw": "nki.isa.dma_compute",
    "fp32": "nl.float32, and a Python number for its limits",
    "mask": "sizes clamped with min(), or nki.isa.select_reduce",
    "tile": "nl.ndarray(..., buffer=nl.sbuf)",
    "dtype": "the dtypes themselves, such as nl.float32",
    "float64": "nl.float32: the engines compute in float32",
    "int64": "nl.int32: the engines hold 32-bit integers",
}
"""Replacements of names of nki.language that NKI 0.1 or 0.2 had."""

ISA = {
    "tensor_copy_dynamic_src": "tensor_copy with src.ap(..., scalar_offset=...)",
    "tensor_copy_dynamic_dst": "tensor_copy with dst.ap(..., scalar_offset=...)",
}
"""Replacements of names of nki.isa that NKI 0.1 to 0.3 had."""

NKI = {
    "baremetal": "nki.simulate(kernel)(...), or `glia nki profile` for its time",
    "benchmark": "`glia nki profile`: the virtual chip's time is predicted, not measured",
    "profile": "`glia nki profile`",
    "simulate_kernel": "nki.simulate(kernel)(...)",
    "trace": "nki.jit",
}
"""Replacements of names of nki that NKI 0.1 or 0.2 had."""


def unknown(
    module: str, name: str, known: Iterable[str], replaced: Mapping[str, str] | None = None
) -> AttributeError:
    """The error for `module.name`: names the replacement of an old name, else the nearest name."""
    if replaced and name in replaced:
        text = f"it belonged to an older NKI; use {replaced[name]}"
    else:
        near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
        text = f"did you mean {module}.{near[0]}?" if near else f"see dir({module})"
    return AttributeError(f"{module} has no name {name!r}; {text}", name=name)
