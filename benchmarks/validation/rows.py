"""The published measurements that the virtual chip is held against, and the kernels of each.

A band is the error that counts as agreement: 3 % where the Tensor engine is the limit on trn2, 10 %
where the Vector engine is (and for Mamba on trn1), 15 % for streams of DMAs. No constant of a chip
file was chosen to make a row agree; each has its own source there.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mamba_kernels as mamba
import matmul_kernels as matmul

import glia.nki.install
from glia.core.dtypes import dtype
from glia.nki.kernel import Kernel, TensorSpec

GUIDE = "aws-neuron/aws-neuron-sdk nki/guides/tutorials/kernel-optimization.rst"
BOUNDS = "aws-neuron/neuron-agentic-development example-bounds-analysis.md"
PEAK = "aws-neuron/neuron-agentic-development te_inefficiency.md"
MAMBA = "aws-neuron/aws-neuron-sdk nki/guides/tutorials/fused_mamba.rst"


@dataclass(frozen=True)
class Row:
    """One measurement: seconds in total and, where published, by engine while active.

    `band` is a fraction; None marks a row that is shown and not judged, with the reason in `note`.
    `size` is the number of instructions in thousands, roughly.
    """

    name: str
    what: str
    chip: str
    kernel: Kernel
    shapes: tuple[TensorSpec, ...]
    measured_s: float
    band: float | None
    source: str
    options: Mapping[str, Any] = field(default_factory=dict)
    active_s: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    size: int = 10


def specs(kind: str, *shapes: tuple[int, ...]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(shape, dtype(kind)) for shape in shapes)


def layer(channels: int, length: int, states: int = 16) -> tuple[TensorSpec, ...]:
    """delta, u, A, B, C of a Mamba layer."""
    wide, narrow = (channels, length), (states, length)
    return specs("fp32", wide, wide, (channels, states), narrow, narrow)


LARGE = specs("fp32", (8192, 4096), (8192, 8192))
SQUARE = specs("bf16", (4096, 4096), (4096, 4096))
MS, US = 1e-3, 1e-6
LENGTHS = ((1024, 3.3), (2048, 6.6), (4096, 13.3), (8192, 27.8))  # of the sweep, and ms
PEAK_S = 2 * 128 * 128 * 512 * 2048 / 77.2e12


def products() -> list[Row]:
    large, square = "fp32 4096 x 8192 x 8192", "bf16 4096^3"
    return [
        Row("A3", f"{large}, loads in front of the sums", "trn2", matmul.columns_first, LARGE,
            28.20 * MS, 0.03, GUIDE, active_s={"tensor": 28.16 * MS}, size=69),
        Row("A4", f"{large}, blocks of 2 x 1 tiles", "trn2", matmul.blocked, LARGE,
            28.41 * MS, 0.03, GUIDE, {"columns": 1}, {"tensor": 28.28 * MS}, size=52,
            note="the guide has blocks of 2 x 2, whose tiles (320 KiB per partition) no SBUF "
            "holds; what its compiler made of them is not public"),
        Row("A5", f"{large}, blocked in all dims", "trn2", matmul.blocked_in_k, LARGE,
            28.30 * MS, 0.03, GUIDE, {"rows": 8}, {"tensor": 28.16 * MS}, size=41,
            note="the guide has blocks of 16 tiles, which need 224 of 208 KiB per partition and "
            "must have been spilled; 8 fit"),
        Row("B", f"{large}, both tiles loaded for every matmul", "trn2", matmul.naive, LARGE,
            39.89 * MS, 0.15, GUIDE, size=99, note="bound by the issue of 65,536 loads"),
        Row("C", f"{square}, both tiles loaded for every matmul", "trn2", matmul.naive, SQUARE,
            8602 * US, 0.15, BOUNDS, active_s={"dma": 7906 * US, "tensor": 4806 * US},
            note="bound by the issue of 16,384 loads, as the kernel's text has them; its profile "
            "counts 11,264: see C'",
            size=25),
        Row("C'", f"{square}, lhs_t loaded 3 times instead of 8, as C's profile counts its bytes",
            "trn2", matmul.naive_reused, SQUARE, 8602 * US, None, BOUNDS,
            active_s={"dma": 7906 * US, "tensor": 4806 * US},
            note="the traffic that ran, after the vendor's compiler dropped repeated loads: each "
            "DMA took 0.69 us there, and takes 0.55 here as in D's profile; C agrees in part "
            "because the loads that it has too many make up for that", size=20),
        Row("D", f"{square}, blocks of 8 x 2 tiles, a load per tile", "trn2",
            matmul.blocked_in_place, SQUARE,
            2451 * US, 0.03, BOUNDS, active_s={"tensor": 2163 * US, "dma": 1325 * US},
            note="the guide's text fills and indexes arrays of tiles and a PSUM bank per row of "
            "tiles, read here as buffers declared once (its profile has 155 matmuls that wait for "
            "the copy out of PSUM: a bank used again at once). With a buffer of its own for every "
            "block and sum, which the text does not exclude, the prediction is 2.14: how its "
            "compiler placed them is not public. While the first sums of a block wait for loads, "
            "the array is under half used and starts slow again", size=11),
        Row("E", f"{square}, blocks of 8 x 2 tiles, long rows per load", "trn2", matmul.long_rows,
            SQUARE, 1801 * US, 0.03, BOUNDS, active_s={"tensor": 1781 * US, "dma": 819 * US},
            note="as listed: the array waits for the first rows of lhs_t (about 60 us), of which "
            "the profile shows 20", size=10),
        Row("F", "2,048 matmuls back to back", "trn2", matmul.back_to_back,
            specs("bf16", (128, 128), (128, 512)), PEAK_S, 0.03, PEAK,
            active_s={"tensor": PEAK_S}, size=2,
            note="measured as 77.2 TFLOP/s while the array was active; the first 3 us are "
            "throttled"),
    ]  # fmt: skip


def mamba_layers() -> list[Row]:
    """The tutorial's three versions, and its sweep over the length of the sequence."""
    toy, wide = layer(256, 512), layer(4096, 512)
    rows = [
        Row("L toy", "Mamba v1, 256 channels", "trn1", mamba.states_outside, toy, 172.93 * US,
            None, MAMBA, size=1,
            note="the measured time includes start and end of the program (the tutorial says so, "
            "not how long): what is missing here is 30 us"),
        Row("L v1", "Mamba v1, 4096 channels", "trn1", mamba.states_outside, wide, 2.34 * MS,
            0.10, MAMBA, active_s={"vector": 0.9216 * 2.34 * MS}, size=7),
        Row("L v1'", "Mamba v1 with B and C copied to SBUF", "trn1",
            mamba.states_outside, wide, 2.34 * MS, None, MAMBA, {"copied": True},
            {"vector": 0.9216 * 2.34 * MS}, size=8,
            note="not what ran: five vector instructions of two operands in SBUF, at their "
            "published two cycles per element, take 2.6 ms, more than Vector was active. What was "
            "measured read two of them from PSUM, as L v1 does and nl.broadcast_to leaves them"),
        Row("L v2", "Mamba v2, 4096 channels", "trn1", mamba.channels_outside, wide, 1.61 * MS,
            0.10, MAMBA, size=6, note="as written, 2.13: the text multiplies delta by u for every "
            "state. Likely is with that product once per channel tile, which the tutorial's own "
            "images show (silicon/profile/invariants.py)"),
    ]  # fmt: skip
    for length, milliseconds in LENGTHS:
        rows.append(
            Row(f"L v3 {length}", f"Mamba v3, sequence of {length}", "trn1",
                mamba.channels_outside, layer(4096, length), milliseconds * MS, 0.10, MAMBA,
                {"tile": 512}, size=length * 10 // 1000)
        )  # fmt: skip
    return rows


def all_rows() -> list[Row]:
    return [*products(), *mamba_layers()]


FILE = (
    "the file as it is. In v1, delta and u are loaded for every state, and their product is not "
    "the same tensor's: it stays. In v2 and v3 it is left out of the loop as in L v2; what is left "
    "of the gap is the copy of the carried column (v3) and the width of the constants"
)
LONGER = (
    "rows of more than 512 columns do not fit a bank of PSUM: B and C are copied to SBUF, where "
    "vector instructions of two operands take two cycles per element. Measured with what its "
    "compiler spilled and loaded again, which is not predicted"
)
LENGTHS_V2 = ((1024, 4.4), (2048, 8.9), (4096, 17.6))  # of the same sweep, second version


def tutorial_file(path: Path) -> list[Row]:
    """The tutorial's own kernels, unchanged."""
    glia.nki.install.install()
    found = importlib.util.spec_from_file_location(path.stem, path)
    assert found is not None and found.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    versions = [("v1", 512, 2.34, 0.10), ("v2", 512, 1.61, 0.10)]
    versions += [("v2", n, t, None) for n, t in LENGTHS_V2]
    versions += [("v3", n, t, 0.10) for n, t in LENGTHS]
    notes = {("v2", 512): FILE, ("v2", 1024): LONGER}
    return [
        Row(f"L file {name} {length}", f"the tutorial's mamba_{name}, sequence of {length}", "trn1",
            getattr(module, f"mamba_{name}"), batched(4096, length), milliseconds * MS, band, MAMBA,
            size=length // 60, note=notes.get((name, length), ""))
        for name, length, milliseconds, band in versions
    ]  # fmt: skip


def batched(channels: int, length: int, states: int = 16) -> tuple[TensorSpec, ...]:
    """The same as `layer`, delta, u, B and C in a batch of one."""
    delta, u, a, b, c = layer(channels, length, states)
    return tuple(x if x is a else TensorSpec((1, *x.shape), x.dtype) for x in (delta, u, a, b, c))
