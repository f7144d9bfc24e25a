"""What Vector instructions cost: streaming cycles, with the performance modes of each generation.

`cycles` are those of one partition's elements at the rates of the chip's figures; the fixed cycles
of an instruction are the timeline's. Sources: costs of git tag v2.26.1 of aws-neuron-sdk
nki/api/nki/isa/__init__.py, the last public formulas; performance modes of
nki/guides/architecture/trainium2_arch.rst and trainium3_arch.rst.
"""

from __future__ import annotations

from collections.abc import Collection

from glia.isa.engines import engine as Engine
from glia.isa.rules import contiguous, traffic
from glia.isa.stream import Work
from glia.isa.target import Target
from glia.isa.tensors.tensor import NkiTensor

GPSIMD_FUNCTIONS = ("power", "rsqrt")  # operators that the Vector engine lacks
_PAIR_MODE_OPS = ("add", "subtract", "multiply")  # v2.26.1, cost of tensor_tensor


def vector_cycles(target: Target, elements: float) -> float:
    """Cycles of a Vector instruction that streams `elements` per partition at one per cycle."""
    return max(elements, target.vector_min)


def all_2byte_floats(*views: NkiTensor) -> bool:
    """True when every operand is float16 or bfloat16: what the performance modes ask for."""
    return all(v.dtype.is_float and v.dtype.itemsize == 2 for v in views)


def copy_rate(target: Target, *views: NkiTensor) -> float:
    """Elements per cycle of the copy class (copy, tensor_scalar, memset) in performance mode."""
    in_sbuf = all(v.buffer == "sbuf" for v in views)
    if all_2byte_floats(*views):
        fast = in_sbuf and all(contiguous(v) for v in views)
        return target.copy_rate_2byte if fast else target.copy_rate_2byte_mixed
    fp32 = all(v.dtype.name == "float32" for v in views)
    return target.copy_rate_fp32 if fp32 and in_sbuf else 1.0


def pair_elements(target: Target, op: str, *views: NkiTensor) -> float:
    """Element-cycles of a two-tile instruction on (dst, data1, data2).

    One per element when an input is in PSUM, which has its own read port, or when all are 2-byte
    floats that add, subtract or multiply; else two. On top of it the mode for 2-byte floats in
    SBUF.
    """
    n = views[0].free_size
    if any(v.buffer == "psum" for v in views[1:]):
        return n
    if not all_2byte_floats(*views):
        return n * target.two_operand_cycles
    slow = 1.0 if op in _PAIR_MODE_OPS else target.two_operand_cycles
    in_sbuf = all(v.buffer == "sbuf" for v in views)
    return n * slow / (target.tensor_tensor_rate_2byte if in_sbuf else 1.0)


def _gpsimd_each(target: Target, tiles: int, ops: Collection[str]) -> float:
    """Cycles of one element per partition on GpSimd, of an instruction that reads so many tiles.

    Two tiles share the port that reads SBUF. A function takes as long as the one whose rate is
    printed, rsqrt: its processors have no table of functions.
    """
    each = target.gpsimd_two_operand_cycles if tiles > 1 else target.gpsimd_cycles
    functions = any(op in GPSIMD_FUNCTIONS for op in ops)
    return max(each, target.gpsimd_rsqrt_cycles) if functions else each


def vector_work(target: Target, elements: float, dst: NkiTensor, *others: NkiTensor) -> Work:
    """Work of a Vector instruction of `elements` element-cycles that touches these operands."""
    size = max(v.num_partitions * v.free_size for v in (dst, *others))
    return Work(vector_cycles(target, elements), elements=size, sram=traffic(dst, *others))


def engine_work(
    target: Target,
    on: Engine,
    n: float,
    dst: NkiTensor,
    *reads: NkiTensor,
    ops: Collection[str] = (),
) -> Work:
    """Work of an elementwise instruction of `n` element-cycles on Vector, Scalar or GpSimd.

    On GpSimd `n` counts elements; the tiles read and the operators `ops` say how long each takes.
    """
    if on is Engine.vector:
        return vector_work(target, n, dst, *reads)
    if on is Engine.gpsimd:
        cycles = max(n * _gpsimd_each(target, len(reads), ops), target.gpsimd_min)
    else:
        rate = target.scalar_rate_2byte if all_2byte_floats(dst, *reads) else 1.0
        cycles = max(n / rate, target.scalar_min)
    size = max(v.num_partitions * v.free_size for v in (dst, *reads))
    return Work(cycles=cycles, elements=size, sram=traffic(dst, *reads))
