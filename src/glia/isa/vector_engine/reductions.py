"""Vector engine: reductions along the free dims.

Source: aws-neuron-sdk nki/api/nki/isa/__init__.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glia.isa.alu import reduction
from glia.isa.builder import current, instruction
from glia.isa.engines import engine as Engine
from glia.isa.rules import f32, on_chip, require, require_ints, store, traffic
from glia.isa.stream import Instruction, Work
from glia.isa.tensor import NkiTensor
from glia.isa.vector_engine.costs import vector_cycles


@instruction
def tensor_reduce(
    dst: NkiTensor,
    op: Any,
    data: NkiTensor,
    axis: int | tuple[int, ...] | list[int],
    negate: bool = False,
    keepdims: bool = False,
    name: str | None = None,
) -> Instruction:
    """Reduce the last free dims of data; dst has one element per remaining position."""
    what, b = "tensor_reduce", current()
    on_chip(what, dst=dst, data=data)
    token = reduction(op, what)
    axes = tuple(a % data.ndim for a in ((axis,) if isinstance(axis, int) else axis))
    trailing = tuple(range(data.ndim - len(axes), data.ndim))
    require(
        tuple(sorted(axes)) == trailing and 0 not in axes,
        f"{what} axis",
        str(axes),
        f"the last dims, such as {trailing}",
        "reorder the view",
    )
    kept = int(np.prod(data.shape[1 : data.ndim - len(axes)], dtype=np.int64))
    require(
        dst.num_partitions == data.num_partitions and dst.free_size == kept,
        f"{what} dst",
        f"shape {dst.shape}",
        f"({data.num_partitions}, {kept})",
    )
    if token.kind == "bitvec":
        require_ints(what, dst, data)
        require(not negate, f"{what} negate", "a bit operation", "an arithmetic one")
    narrow = all(v.dtype.is_float and v.dtype.itemsize == 2 for v in (dst, data))
    fast = narrow and token.name in ("add", "maximum")
    cycles = vector_cycles(b.target, data.free_size / (2 if fast else 1))
    size = data.num_partitions * data.free_size
    work = Work(cycles, elements=size, sram=traffic(dst, data))

    def meaning(out: np.ndarray, x: np.ndarray) -> None:
        assert token.reduce is not None
        result = token.reduce(x if token.kind == "bitvec" else f32(x), axis=trailing)
        store(out, -result if negate else result)

    return b.emit(what, Engine.vector, (dst,), (data,), work, meaning)
