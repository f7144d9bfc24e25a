"""Operations and bytes against counts made by hand and by PyTorch's own FLOP counter."""

import pytest

from cost.graphs import encoder_layer, matmul, tensor, weight
from glia.core.dtypes import dtype
from glia.cost.work import measure
from glia.graph.builder import GraphBuilder


def one(op, *types, **attrs):
    builder = GraphBuilder(op)
    operands = [builder.input(f"x{i}", t) for i, t in enumerate(types)]
    (work,) = measure(builder.finish([builder.emit(op, *operands, **attrs)]), 4)
    return work


def test_matmul_by_hand():
    (work,) = measure(matmul(512, 256, 128), 2)
    assert work.matmul_flops == 2 * 512 * 256 * 128
    assert work.vector_flops == 0
    everything = 2 * (512 * 256 + 128 * 256 + 512 * 128)
    assert work.bytes == (everything, everything, everything + 4 * 2 * 512 * 128)
    assert work.kernels == (1, 1, 3)


def test_elementwise_by_hand():
    work = one("add", tensor(8, 16), tensor(8, 16))
    assert (work.matmul_flops, work.vector_flops) == (0, 128)
    assert work.bytes == (3 * 512, 3 * 512, 3 * 512)
    assert work.kernels == (0, 1, 1)


def test_views_are_free_and_reductions_read_all():
    view = one("reshape", tensor(8, 16), shape=(16, 8))
    assert view.bytes == (0, 0, 0) and view.kernels == (0, 0, 0) and view.vector_flops == 0
    total = one("reduce", tensor(8, 16), dimensions=(1,), kind="add")
    assert total.vector_flops == 128
    assert total.bytes[1] == 4 * (128 + 8)


def test_a_lookup_reads_its_rows_and_not_the_table():
    ids = tensor(2, 8, kind=dtype("int32"))
    work = one("embedding", tensor(30000, 64), ids)
    assert work.bytes[1] == 4 * (2 * 8 * 64) * 2 + 4 * 16
    assert work.matmul_flops == 0


def test_a_weight_read_twice_is_paid_once_when_all_is_fused():
    builder = GraphBuilder("twice")
    x, w = builder.input("x", tensor(4, 8)), weight(builder, "w", 8, 8)
    y = builder.emit("linear", builder.emit("linear", x, w), w)
    first, second = measure(builder.finish([y]), 4)
    assert first.bytes[0] == 4 * (32 + 64)
    assert second.bytes[0] == 4 * 32


def test_a_broadcast_operand_counts_as_what_is_stored():
    builder = GraphBuilder("bias")
    x, b = builder.input("x", tensor(4, 8)), builder.input("b", tensor(8))
    wide = builder.emit("broadcast_in_dim", b, shape=(4, 8), broadcast_dimensions=(1,))
    works = measure(builder.finish([builder.emit("add", x, wide)]), 4)
    assert works[1].bytes[1] == 4 * (32 + 8 + 32)


@pytest.mark.parametrize("float_bytes", [1, 2, 4])
def test_readings_are_ordered(float_bytes):
    for work in measure(encoder_layer(), float_bytes):
        assert list(work.bytes) == sorted(work.bytes)
        assert list(work.kernels) == sorted(work.kernels)


def test_products_of_a_layer_against_pytorch():
    """The oracle is PyTorch's flop counter on the same layer."""
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    batch, rows, width, heads = 2, 16, 64, 4
    x = torch.zeros(batch, rows, width)
    square, up, down = (torch.zeros(n, k) for n, k in ((64, 64), (256, 64), (64, 256)))
    with FlopCounterMode(display=False) as counter:
        q, k, v = (
            torch.nn.functional.linear(x, square).view(batch, rows, heads, -1).transpose(1, 2)
            for _ in "qkv"
        )
        mixed = torch.softmax(q @ k.transpose(-1, -2), -1) @ v
        flat = mixed.transpose(1, 2).reshape(batch, rows, width)
        y = torch.nn.functional.linear(flat, square)
        torch.nn.functional.linear(torch.nn.functional.linear(y, up), down)
    counted = sum(work.matmul_flops for work in measure(encoder_layer(), 4))
    assert counted == counter.get_total_flops()


def test_a_fused_body_does_the_work_of_its_nodes():
    body = matmul(8, 16, 4)
    builder = GraphBuilder("outer")
    x = builder.input("x", tensor(8, 16))
    (work,) = measure(builder.finish([builder.emit("fused", x, body=body)]), 4)
    assert work.matmul_flops == 2 * 8 * 16 * 4
