"""Vector engine: quantisation to MX formats, groups of 32 numbers with one power of two.

A group is 8 partitions x 4 consecutive elements. Its scale is 2^(floor(log2 amax) - (Emax - 1)),
twice that of the OCP text, so that nothing rounds beyond the largest number; before NKI 0.5 it was
that of the OCP text, and what rounds beyond saturates (`Target.mx_scale_margin`).
Source: aws-neuron-sdk nki/api/nki/isa/__init__.py (quantize_mx), nki/deep-dives/mxfp-matmul.rst.
"""

from __future__ import annotations

import numpy as np

from glia.core.dtypes import pack
from glia.isa.engines import engine as Engine
from glia.isa.launch.builder import current, instruction
from glia.isa.rules import in_memory, on_chip, refusal, require
from glia.isa.stream import Instruction
from glia.isa.target import QUADRANT
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.vector_engine.costs import vector_work
from glia.isa.vector_engine.operands import one_of

_GROUP_PARTITIONS = 8
_GROUP_ELEMENTS = 4
_SCALES = QUADRANT // _GROUP_PARTITIONS  # partitions of scales per quadrant
_OFFSETS = (0, 4, 8, 12)  # where in a quadrant they may start
_EMAX = {"float8_e4m3fn_x4": 8, "float8_e5m2_x4": 15}
_BIAS = 127  # of float8_e8m0fnu, whose code 255 is NaN


@instruction
def quantize_mx(
    dst: NkiTensor, src: NkiTensor, dst_scale: NkiTensor, name: str | None = None
) -> Instruction:
    """Quantise src (P, F; float16 or bfloat16) to dst (P, F/4, packed) and its scales.

    The scales of a quadrant's four groups go to its partitions 0..3 of dst_scale, counted from the
    tile's first partition, which may stand 0, 4, 8 or 12 partitions into the quadrant; the other
    partitions of dst_scale are left alone. A group with inf or NaN gets the NaN scale (inferred).

    Raises:
        KernelError: on a chip without it, for tiles outside SBUF, dtypes that it lacks, P not a
            multiple of 32, F not a multiple of 4, or scales of another place or size.
    """
    what, b = "quantize_mx", current()
    if not b.target.can.quantize_mx:
        raise refusal(what, b.target.chip, "a chip whose Vector engine quantises to MX formats")
    on_chip(what, dst=dst, src=src)
    for role, view in (("dst", dst), ("src", src), ("dst_scale", dst_scale)):
        in_memory(what, role, view, "sbuf")
    one_of(what, "src", src, "float16", "bfloat16")
    one_of(what, "dst", dst, *_EMAX)
    _check_sizes(what, dst, src)
    scales = _scale_rows(what, dst_scale, src)
    kind, top = dst.dtype, _EMAX[dst.dtype.name] - b.target.mx_scale_margin

    def meaning(out: np.ndarray, *arrays: np.ndarray) -> None:
        places, x = arrays[:-1], arrays[-1]
        groups = x.astype(np.float64).reshape(
            -1, _GROUP_PARTITIONS, x[0].size // _GROUP_ELEMENTS, _GROUP_ELEMENTS
        )
        codes, scaled = quantised(groups, top)
        out[...] = pack(scaled.reshape(len(x), -1, _GROUP_ELEMENTS), kind).reshape(out.shape)
        for at, place in enumerate(places):
            rows = codes[at * _SCALES : (at + 1) * _SCALES]
            place[...] = rows.view(place.dtype).reshape(place.shape)

    work = vector_work(b.target, src.free_size / b.target.quantize_mx_rate, src, dst)
    return b.emit(what, Engine.vector, (dst, *scales), (src,), work, meaning)


def quantised(groups: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
    """Scale codes uint8 [G, M] and scaled float32 values of float64 groups [G, 8, M, 4].

    The largest magnitude of a group is scaled into [2^top, 2^(top + 1)).
    """
    amax = np.abs(groups).max(axis=(1, 3))
    finite = np.isfinite(amax)
    _, exponent = np.frexp(np.where(finite, amax, 1.0))
    power = np.clip(exponent - 1 - top, -_BIAS, _BIAS)
    power = np.where(amax == 0, -_BIAS, power)
    codes = np.where(finite, power + _BIAS, 255).astype(np.uint8)
    scaled = np.ldexp(groups, -power[:, None, :, None]).astype(np.float32)
    return codes, np.where(finite[:, None, :, None], scaled, np.float32(np.nan))


def _check_sizes(what: str, dst: NkiTensor, src: NkiTensor) -> None:
    require(
        src.num_partitions % QUADRANT == 0 and src.free_size % _GROUP_ELEMENTS == 0,
        f"{what} src",
        f"shape {src.shape}",
        f"a multiple of {QUADRANT} partitions and of {_GROUP_ELEMENTS} elements in each",
    )
    expected = (src.num_partitions, src.free_size // _GROUP_ELEMENTS)
    require(
        (dst.num_partitions, dst.free_size) == expected,
        f"{what} dst",
        f"shape {dst.shape}",
        f"{expected}",
    )


def _scale_rows(what: str, scale: NkiTensor, src: NkiTensor) -> tuple[NkiTensor, ...]:
    """The partitions of the scale tile that are written, one view per quadrant of src."""
    one_of(what, "dst_scale", scale, "float8_e8m0fnu", "uint8")
    quadrants = src.num_partitions // QUADRANT
    needed = (quadrants - 1) * QUADRANT + _SCALES
    groups = src.free_size // _GROUP_ELEMENTS
    require(
        scale.num_partitions >= needed and scale.free_size == groups,
        f"{what} dst_scale",
        f"shape {scale.shape}",
        f"({src.num_partitions}, {groups}), or {needed} partitions at least",
    )
    start = scale.start_partition
    quadrant, offset = divmod(start, QUADRANT)
    require(
        offset in _OFFSETS and quadrant == src.start_partition // QUADRANT,
        f"{what} dst_scale",
        f"start partition {start}",
        f"one of {_OFFSETS} partitions into the quadrant where src starts",
    )
    return tuple(scale[q * QUADRANT : q * QUADRANT + _SCALES] for q in range(quadrants))
