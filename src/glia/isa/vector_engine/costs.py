"""What Vector instructions cost: streaming cycles, with the performance modes of each generation.

`cycles` count elements per partition at the rates of the chip's figures; the fixed cycles of an
instruction are the timeline's. Sources: costs of git tag v2.26.1 of aws-neuron-sdk
nki/api/nki/isa/__init__.py, the last public formulas; performance modes of
nki/guides/architecture/trainium2_arch.rst and trainium3_arch.rst.
"""

from __future__ import annotations

from glia.isa.engines import engine as Engine
from glia.isa.rules import contiguous, traffic
from glia.isa.stream import Work
from glia.isa.target import Target
from glia.isa.tensor import NkiTensor


def vector_cycles(target: Target, elements: float) -> float:
    """Cycles of a Vector instruction that streams `elements` per partition at one per cycle."""
    return max(elements, target.vector_min)


def copy_rate(target: Target, *views: NkiTensor) -> float:
    """Elements per cycle of the copy class (copy, tensor_scalar, memset) in performance mode."""
    narrow = all(v.dtype.is_float and v.dtype.itemsize == 2 for v in views)
    in_sbuf = all(v.buffer == "sbuf" for v in views)
    if narrow:
        fast = in_sbuf and all(contiguous(v) for v in views)
        return target.copy_rate_2byte if fast else target.copy_rate_2byte_mixed
    fp32 = all(v.dtype.name == "float32" for v in views)
    return target.copy_rate_fp32 if fp32 and in_sbuf else 1.0


def pair_cycles(target: Target, n: int, *views: NkiTensor) -> float:
    """Cycles of a two-tile instruction: full rate with one operand in PSUM or 2-byte floats."""
    if any(v.buffer == "psum" for v in views[1:]):
        return vector_cycles(target, n)
    narrow = all(v.dtype.is_float and v.dtype.itemsize == 2 for v in views)
    if narrow and all(v.buffer == "sbuf" for v in views):
        return vector_cycles(target, n / target.tensor_tensor_rate_2byte)
    return vector_cycles(target, 2 * n)


def engine_work(target: Target, on: Engine, n: float, dst: NkiTensor, *reads: NkiTensor) -> Work:
    """Work of an elementwise instruction of `n` element-cycles on Vector, Scalar or GpSimd."""
    if on is Engine.gpsimd:
        cycles = max(n, target.gpsimd_min)
    elif on is Engine.scalar:
        cycles = max(n, target.scalar_min)
    else:
        cycles = vector_cycles(target, n)
    size = max(v.num_partitions * v.free_size for v in (dst, *reads))
    return Work(cycles=cycles, elements=size, sram=traffic(dst, *reads))
