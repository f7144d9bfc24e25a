"""Predicted cycles of the kernels: they change only when somebody means them to.

In cycles of the Tensor engine's clock: as written, by the dataflow bound; then instructions.
"""

import pytest

from glia.chips import load_chip
from glia.core.dtypes import dtype
from glia.isa.target import target_of
from glia.kernels.attention import attention
from glia.kernels.copy import concatenate, copy
from glia.kernels.embedding import embedding
from glia.kernels.layer_norm import add_layer_norm, layer_norm, rms_norm
from glia.kernels.matmul import batched_matmul, linear
from glia.kernels.pooling import l2_normalise, masked_mean
from glia.kernels.reduce import reduce_last, reduce_rows
from glia.kernels.scan import cumsum
from glia.kernels.softmax import log_softmax, softmax
from glia.kernels.transpose import transpose
from glia.nki.kernel import TensorSpec
from glia.silicon import Timing, schedule


def bf16(*shape):
    return TensorSpec(shape, dtype("bf16"))


def fp32(*shape):
    return TensorSpec(shape, dtype("fp32"))


def int32(*shape):
    return TensorSpec(shape, dtype("int32"))


VECTORS = {"weight": bf16(384), "bias": bf16(384)}
HEADS = {name: bf16(2, 12, 128, 32) for name in ("q", "k", "v")}
ROWS = [
    ("linear", linear, {"x": bf16(256, 384), "w": bf16(384, 1536), "bias": bf16(1536)}),
    ("linear gelu", linear, {"x": bf16(256, 384), "w": bf16(384, 512), "activation": "gelu"}),
    ("linear fp32", linear, {"x": fp32(130, 100), "w": fp32(100, 70)}),
    (
        "linear 512 turned",
        linear,
        {"x": bf16(512, 512), "w": bf16(512, 512), "lhs_transposed": True},
    ),
    ("batched_matmul", batched_matmul, {"a": bf16(3, 65, 64), "b": bf16(3, 64, 65)}),
    ("attention", attention, {**HEADS, "scale": 0.2}),
    ("attention masked", attention, {**HEADS, "mask": bf16(2, 1, 1, 128), "scale": 0.2}),
    ("layer_norm", layer_norm, {"x": bf16(300, 384), **VECTORS, "epsilon": 1e-12}),
    (
        "add_layer_norm",
        add_layer_norm,
        {"x": bf16(300, 384), "residual": bf16(300, 384), **VECTORS, "epsilon": 1e-12},
    ),
    ("rms_norm", rms_norm, {"x": bf16(300, 384), "weight": bf16(384), "epsilon": 1e-6}),
    ("softmax", softmax, {"x": bf16(200, 333)}),
    ("log_softmax", log_softmax, {"x": fp32(200, 333)}),
    ("embedding", embedding, {"table": bf16(1000, 384), "ids": int32(300)}),
    ("reduce_last", reduce_last, {"x": bf16(200, 333), "kind": "add"}),
    ("reduce_rows", reduce_rows, {"x": bf16(4, 100, 384), "kind": "add"}),
    ("masked_mean", masked_mean, {"x": bf16(8, 128, 384), "mask": bf16(8, 128)}),
    ("l2_normalise", l2_normalise, {"x": bf16(8, 384)}),
    ("cumsum", cumsum, {"x": int32(8, 128)}),
    ("transpose", transpose, {"x": bf16(2, 200, 300)}),
    ("copy", copy, {"x": bf16(200, 300)}),
    ("concatenate", concatenate(2), {"x0": bf16(2, 10, 64), "x1": bf16(2, 20, 64)}),
]


def cycles(kernel, arguments, chip):
    stream = kernel.trace(target=target_of(chip), **arguments)
    silicon = load_chip(chip).silicon
    time = schedule(stream, Timing.of(silicon, "likely"))
    hertz = silicon.clock.tensor.value
    return f"{time.makespan_s * hertz:.3f} {time.dataflow_s * hertz:.3f} {len(stream.instructions)}"


@pytest.mark.parametrize("chip", ["inf2", "trn2", "trn3"])
def test_cycles_are_those_on_record(chip, golden):
    lines = [f"{name}: {cycles(kernel, args, chip)}" for name, kernel, args in ROWS]
    golden(f"cycles/{chip}.txt", "\n".join(lines) + "\n")
    again = [f"{name}: {cycles(kernel, args, chip)}" for name, kernel, args in ROWS]
    assert again == lines
