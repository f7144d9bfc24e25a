"""Vector engine: recurrences along the free dims.

Source: aws-neuron-sdk nki/api/nki/isa/__init__.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from glia.isa.alu import arithmetic
from glia.isa.builder import current, instruction
from glia.isa.engines import engine as Engine
from glia.isa.rules import (
    column,
    f32,
    not_both_psum,
    on_chip,
    same_shape,
    scalar_or_column,
    store,
    traffic,
)
from glia.isa.stream import Instruction, Work
from glia.isa.tensor import NkiTensor
from glia.isa.vector_engine.costs import vector_cycles


@instruction
def tensor_tensor_scan(
    dst: NkiTensor,
    data0: NkiTensor,
    data1: NkiTensor,
    initial: Any,
    op0: Any,
    op1: Any,
    reverse0: bool = False,
    reverse1: bool = False,
    name: str | None = None,
) -> Instruction:
    """`r[i] = (data0[i] op0 r[i-1]) op1 data1[i]` along the free dim, from `initial`."""
    what, b = "tensor_tensor_scan", current()
    on_chip(what, dst=dst, data0=data0, data1=data1)
    same_shape(what, dst, data0=data0, data1=data1)
    not_both_psum(what, data0, data1)
    columns = scalar_or_column(what, "initial", initial, dst.num_partitions)
    first, second = arithmetic(op0, what), arithmetic(op1, what)
    size = dst.num_partitions * dst.free_size
    work = Work(
        vector_cycles(b.target, 2 * dst.free_size), elements=size, sram=traffic(dst, data0, data1)
    )

    def meaning(out: np.ndarray, x: np.ndarray, y: np.ndarray, *cols: np.ndarray) -> None:
        a, c = (f32(v).reshape(len(v), -1) for v in (x, y))
        state = np.broadcast_to(column(initial, list(cols), 1), (len(a),)).astype(np.float32)
        result = np.empty_like(c)
        for i in range(a.shape[1]):
            inner = first.apply(state, a[:, i]) if reverse0 else first.apply(a[:, i], state)
            state = second.apply(c[:, i], inner) if reverse1 else second.apply(inner, c[:, i])
            result[:, i] = state
        store(out, result)

    return b.emit(what, Engine.vector, (dst,), (data0, data1, *columns), work, meaning)
