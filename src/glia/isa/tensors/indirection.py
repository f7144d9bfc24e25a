"""Tensor indirection (`.indirect`): which operands may have it, and where their tiles must lie.

Source: aws-neuron-sdk nki/api/nki/isa/__init__.py ("Tensor indirection" of each instruction).
"""

from __future__ import annotations

from collections.abc import Sequence

from glia.isa.engines import engine
from glia.isa.rules import refusal, require
from glia.isa.target import QUADRANT, Target
from glia.isa.tensors.addressing import Columns, group_size
from glia.isa.tensors.tensor import NkiTensor

_ENGINES = (engine.vector, engine.scalar, engine.tensor)

READS = {
    "tensor_copy": 1,
    "tensor_copy_predicated": 2,
    "nc_matmul": 2,
    "nc_matmul_mx": 4,
    "tensor_tensor": 1,
    "tensor_scalar": 1,
    "tensor_reduce": 1,
    "tensor_scalar_cumulative": 1,
    "activation": 1,
    "activation_reduce": 1,
    "activate2": 1,
    "exponential": 1,
    "tensor_scalar_reduce": 1,
}
"""How many of an instruction's reads, from the first, may be indirect; its dst may be, too."""


def check_columns(
    op: str,
    on: engine,
    target: Target,
    writes: Sequence[NkiTensor],
    reads: Sequence[NkiTensor],
) -> None:
    """Refuse tensor indirection where the chip, the instruction or the operand cannot have it."""
    found = [v for v in (*writes, *reads) if isinstance(v.indirection, Columns)]
    if not found:
        return
    what = f"{op} with .indirect"
    require(target.can.tensor_indirection, what, target.chip, "a chip with tensor indirection")
    require(op in READS, what, op, f"one of {', '.join(READS)}")
    require(on in _ENGINES, what, f"engine {on.name}", "the vector, scalar or tensor engine")
    late = [v for v in reads[READS[op] :] if isinstance(v.indirection, Columns)]
    require(not late, what, f"{late}", "only the data operand and dst indirect")
    for view in found:
        _check_index(what, view, group_size(on))
    for view in reads:
        if isinstance(view.indirection, Columns) and view not in writes:
            _same_start(what, view, view.indirection.index)
    for dst in writes:
        if isinstance(dst.indirection, Columns):
            _check_scatter(what, on, dst, [v for v in reads if v is not dst])


def _check_index(what: str, view: NkiTensor, group: int) -> None:
    moved = view.indirection
    assert isinstance(moved, Columns)
    index = moved.index
    require(
        view.shape[0] % group == 0,
        what,
        f"{view.shape[0]} partitions",
        f"a multiple of {group}, which share offsets",
    )
    require(
        view.shape[1] <= group * index.shape[1],
        what,
        f"{view.shape[1]} offsets from an index of shape {index.shape}",
        f"at most {group * index.shape[1]} per group of {group} partitions",
        "pass num_elem",
    )
    require(
        index.start_partition % QUADRANT == 0,
        what,
        f"an index that starts at partition {index.start_partition}",
        f"a multiple of {QUADRANT}",
    )


def _check_scatter(what: str, on: engine, dst: NkiTensor, reads: Sequence[NkiTensor]) -> None:
    require(
        not (on is engine.scalar and dst.storage.memory == "psum"),
        what,
        "a scattered dst in PSUM on the scalar engine",
        "dst in SBUF",
    )
    moved, data = dst.indirection, reads[0] if reads else None
    assert isinstance(moved, Columns)
    if data is None:
        return
    if isinstance(data.indirection, Columns) and data.storage.memory == "psum":
        data = data.indirection.index
    if data.storage.memory == "sbuf":
        _same_start(what, data, moved.index)


def _same_start(what: str, view: NkiTensor, index: NkiTensor) -> None:
    if view.start_partition != index.start_partition:
        raise refusal(
            what,
            f"{view!r} at partition {view.start_partition}, its index at {index.start_partition}",
            "both at the same partition",
        )
