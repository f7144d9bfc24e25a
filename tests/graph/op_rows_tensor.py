"""Rows of the ops that move, gather, contract or fold elements, and of the composites over them."""

from __future__ import annotations

import itertools

import numpy as np
import torch
import torch.nn.functional as F

from glia.core.dtypes import dtype
from glia.graph import GraphBuilder, TensorType
from graph.op_row import FLOATS, NUMBERS, Operand, Row, by_torch, ids, mask, t, values

ALL = (*NUMBERS, "bool")


def _shape_rows():
    reshape = by_torch(lambda x: torch.reshape(x, (3, 2, 4)))
    yield Row("reshape", (t(4, 6),), reshape, {"shape": (3, 2, 4)}, ALL)
    yield Row("reshape", (t(1, 1),), by_torch(lambda x: x[0, 0]), {"shape": ()}, ALL)
    for order in ((2, 0, 1), (0, 2, 1)):
        permute = by_torch(lambda x, order=order: x.permute(order))
        yield Row("transpose", (t(2, 3, 4),), permute, {"permutation": order}, ALL)
    yield Row("transpose", (t(),), by_torch(lambda x: x), {"permutation": ()})
    yield Row(
        "broadcast_in_dim",
        (t(3, 1),),
        by_torch(lambda x: x[:, None, :].expand(3, 2, 5)),
        {"shape": (3, 2, 5), "broadcast_dimensions": (0, 2)},
        ALL,
    )
    yield Row(
        "broadcast_in_dim",
        (t(2, 3),),
        by_torch(lambda x: x.T[:, :, None].expand(3, 2, 4)),
        {"shape": (3, 2, 4), "broadcast_dimensions": (1, 0)},
    )
    spread = by_torch(lambda x: x.expand(2, 3))
    yield Row("broadcast_in_dim", (t(),), spread, {"shape": (2, 3), "broadcast_dimensions": ()})
    join = by_torch(lambda *xs: torch.cat(xs, dim=1))
    yield Row("concatenate", (t(2, 3), t(2, 0), t(2, 4)), join, {"dimension": 1}, ALL)
    yield Row("concatenate", (t(2, 3),), join, {"dimension": 1})
    window = {"start_indices": (1, 0), "limit_indices": (5, 6), "strides": (2, 3)}
    yield Row("slice", (t(5, 6),), by_torch(lambda x: x[1:5:2, 0:6:3]), window, ALL)
    empty = {"start_indices": (2,), "limit_indices": (2,), "strides": (1,)}
    yield Row("slice", (t(5),), by_torch(lambda x: x[2:2]), empty)
    flip = by_torch(lambda x: torch.flip(x, (0, 2)))
    yield Row("reverse", (t(2, 3, 4),), flip, {"dimensions": (0, 2)}, ALL)


def _padded(low, high, interior):
    """The definition in StableHLO, one element at a time."""

    def oracle(x, value):
        spread = [n + max(n - 1, 0) * i for n, i in zip(x.shape, interior, strict=True)]
        out = np.full(np.add(np.add(low, spread), high), value)
        for at in np.ndindex(*x.shape):
            to = tuple(lo + a * (i + 1) for lo, a, i in zip(low, at, interior, strict=True))
            if all(0 <= p < n for p, n in zip(to, out.shape, strict=True)):
                out[to] = x[at]
        return out

    return oracle


def _pad_rows():
    for low, high, interior in [
        ((1, 0), (2, 3), (0, 0)),
        ((0, 2), (1, 0), (2, 1)),
        ((-1, 2), (1, -2), (0, 0)),
        ((-2, -1), (-1, 4), (1, 3)),
    ]:
        attrs = {
            "edge_padding_low": low,
            "edge_padding_high": high,
            "interior_padding": interior,
        }
        yield Row("pad", (t(3, 4), t()), _padded(low, high, interior), attrs, NUMBERS)
    edges = {"edge_padding_low": (1, -1), "edge_padding_high": (2, -2), "interior_padding": (0, 0)}
    by_f_pad = by_torch(lambda x, v: F.pad(x, (-1, -2, 1, 2), value=v.item()))
    yield Row("pad", (t(3, 4), t()), by_f_pad, edges)


def _convert_rows():
    numbers = values(-2.5, -0.5, 0.0, 0.5, 1.5, 100.25)
    for target in ("int32", "int64"):
        whole = by_torch(lambda x: x.to(torch.int64))
        yield Row("convert", (numbers,), whole, {"dtype": target}, (*ALL, "int64"))
    truth = by_torch(lambda x: x.to(torch.bool))
    yield Row("convert", (numbers,), truth, {"dtype": "bool"}, ALL)
    for target in FLOATS:
        exact = by_torch(lambda x: x.to(torch.float64))
        yield Row("convert", (t(4, 5),), exact, {"dtype": target}, ALL)
    beyond = values(3e9, -3e9, np.inf, -np.inf, np.nan)
    limits = [2**31 - 1, -(2**31), 2**31 - 1, -(2**31), 0]
    yield Row("convert", (beyond,), lambda x: np.array(limits), {"dtype": "int32"})
    for target in ("float32", "int32", "bfloat16"):
        attrs = {"shape": (2, 5), "dimension": 1, "dtype": target}
        yield Row("iota", (), lambda: np.array([[0, 1, 2, 3, 4]] * 2), attrs, ("float32",))


def _gathered(offset_dims, collapsed, index_map, vector_dim, sizes):
    """The definition in StableHLO, one element at a time."""

    def oracle(operand, starts):
        if vector_dim == starts.ndim:
            starts = starts[..., None]
        batch_shape = starts.shape[:vector_dim] + starts.shape[vector_dim + 1 :]
        kept = [d for d in range(operand.ndim) if d not in collapsed]
        rank = len(batch_shape) + len(kept)
        batch_dims = [d for d in range(rank) if d not in offset_dims]
        shape = [0] * rank
        for d, n in [*zip(batch_dims, batch_shape, strict=True)]:
            shape[d] = n
        for d, k in zip(offset_dims, kept, strict=True):
            shape[d] = sizes[k]
        out = np.zeros(shape, operand.dtype)
        for at in itertools.product(*map(range, shape)):
            batch = [at[d] for d in batch_dims]
            vector = starts[(*batch[:vector_dim], slice(None), *batch[vector_dim:])]
            place = [0] * operand.ndim
            for d, start in zip(index_map, vector, strict=True):
                place[d] = min(max(start, 0), operand.shape[d] - sizes[d])
            for d, k in zip(offset_dims, kept, strict=True):
                place[k] += at[d]
            out[at] = operand[tuple(place)]
        return out

    return oracle


def _gather_rows():
    for operand, starts, offset, collapsed, index_map, vector_dim, sizes in [
        ((7, 5), ids(2, 3, low=-2, high=9), (2,), (0,), (0,), 2, (1, 5)),
        ((5, 7), ids(4, low=-2, high=9), (0,), (1,), (1,), 1, (5, 1)),
        ((4, 6, 5), ids(3, 2, high=6), (1, 2), (1,), (2, 1), 1, (2, 1, 3)),
        ((4, 6), ids(2, 3, high=6), (0, 2), (), (1, 0), 0, (2, 3)),
        ((4, 6), ids(2, 3, low=-9, high=9), (), (0, 1), (0, 1), 0, (1, 1)),
        ((6,), ids(high=6), (0,), (), (0,), 0, (3,)),
        ((4, 6), ids(0, 1, high=6), (1,), (0,), (0,), 1, (1, 2)),
    ]:
        attrs = {
            "offset_dims": offset,
            "collapsed_slice_dims": collapsed,
            "start_index_map": index_map,
            "index_vector_dim": vector_dim,
            "slice_sizes": sizes,
        }
        oracle = _gathered(*attrs.values())
        yield Row("gather", (t(*operand), starts), oracle, attrs, ALL)
    lookup = by_torch(lambda table, rows: F.embedding(rows, table))
    yield Row("embedding", (t(7, 5), ids(2, 3, high=7)), lookup)
    yield Row("embedding", (t(7, 5), ids(high=7)), lookup)


def _dot_attrs(lhs_batch=(), rhs_batch=(), lhs_contract=(), rhs_contract=(), **more):
    return {
        "lhs_batching_dimensions": lhs_batch,
        "rhs_batching_dimensions": rhs_batch,
        "lhs_contracting_dimensions": lhs_contract,
        "rhs_contracting_dimensions": rhs_contract,
        **more,
    }


def _contraction_rows():
    for lhs, rhs, equation, attrs in [
        ((3, 4), (4, 5), "mk,kn->mn", _dot_attrs((), (), (1,), (0,))),
        ((2, 3, 4), (5, 4), "bmk,nk->bmn", _dot_attrs((), (), (2,), (1,))),
        ((2, 3, 4, 5), (2, 3, 6, 5), "abmk,abnk->abmn", _dot_attrs((0, 1), (0, 1), (3,), (3,))),
        ((3, 2, 5), (5, 4, 2), "mbk,knb->bmn", _dot_attrs((1,), (2,), (2,), (0,))),
        ((2, 3, 4), (4, 2, 5), "pmq,qpn->mn", _dot_attrs((), (), (0, 2), (1, 0))),
        ((3,), (4,), "m,n->mn", _dot_attrs()),
        ((2, 0), (0, 3), "mk,kn->mn", _dot_attrs((), (), (1,), (0,))),
    ]:
        einsum = by_torch(lambda a, b, equation=equation: torch.einsum(equation, a, b))
        yield Row("dot_general", (t(*lhs), t(*rhs)), einsum, attrs, NUMBERS)
    product = by_torch(torch.matmul)
    wide = _dot_attrs((), (), (1,), (0,), dtype="float32")
    yield Row("dot_general", (t(3, 4), t(4, 5)), product, wide, ("bfloat16",))
    activations = {
        None: lambda x: x,
        "gelu": F.gelu,
        "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
        "tanh": torch.tanh,
        "relu": torch.relu,
        "silu": F.silu,
        "logistic": torch.sigmoid,
    }
    for name, function in activations.items():
        dense = by_torch(lambda *args, function=function: function(F.linear(*args)))
        yield Row("linear", (t(2, 3, 8), t(5, 8), t(5)), dense, {"activation": name})
    yield Row("linear", (t(8), t(5, 8)), by_torch(F.linear))


def _reduction_rows():
    for kind, function, dtypes in [
        ("add", np.add, NUMBERS),
        ("multiply", np.multiply, NUMBERS),
        ("maximum", np.maximum, ALL),
        ("minimum", np.minimum, ALL),
        ("and", np.bitwise_and, ("bool", "int32")),
        ("or", np.bitwise_or, ("bool", "int32")),
    ]:
        for dims in ((1,), (2, 0), (0, 1, 2), ()):
            attrs = {"dimensions": dims, "kind": kind}
            fold = lambda x, f=function, dims=dims: f.reduce(x, axis=dims)  # noqa: E731
            yield Row("reduce", (t(3, 4, 2, dist="positive"),), fold, attrs, dtypes)
    none = {"dimensions": (1,)}
    yield Row("reduce", (t(2, 0),), lambda x: np.zeros(2), none | {"kind": "add"}, NUMBERS)
    yield Row("reduce", (t(2, 0),), lambda x: np.full(2, -np.inf), none | {"kind": "maximum"})
    yield Row("reduce", (t(2, 0),), lambda x: np.full(2, np.inf), none | {"kind": "minimum"})
    for dim in (0, 1):
        running = by_torch(lambda x, dim=dim: torch.cumsum(x, dim))
        yield Row("cumsum", (t(3, 7),), running, {"dimension": dim}, NUMBERS)


def _normalization_rows():
    ln = by_torch(lambda x, w, b: F.layer_norm(x, x.shape[-1:], w, b, eps=1e-5))
    vectors = (t(16), t(16))
    yield Row("layer_norm", (t(2, 3, 16), *vectors), ln, {"epsilon": 1e-5})
    yield Row("layer_norm", (t(16), *vectors), ln, {"epsilon": 1e-5})
    constant = Operand((4,), given=(3.0,) * 4)
    yield Row("layer_norm", (constant, t(4), t(4)), ln, {"epsilon": 1e-5})
    both = by_torch(lambda x, r, w, b: F.layer_norm(x + r, x.shape[-1:], w, b, eps=1e-12))
    summed = (t(2, 3, 16), t(2, 3, 16), *vectors)
    yield Row("add_layer_norm", summed, both, {"epsilon": 1e-12})
    rms = by_torch(lambda x, w: F.rms_norm(x, x.shape[-1:], w, eps=1e-6))
    mean = by_torch(lambda x, m: (x * m[..., None]).sum(1) / m.sum(1, keepdim=True).clamp(min=1e-9))
    yield Row("masked_mean", (t(3, 7, 16), t(3, 7, dist="positive")), mean, {"least": 1e-9})
    unit = by_torch(lambda x: F.normalize(x, dim=-1))
    yield Row("l2_normalise", (t(2, 3, 16),), unit, {"epsilon": 1e-12})
    yield Row("rms_norm", (t(2, 3, 16), t(16)), rms, {"epsilon": 1e-6})
    hidden = values(-np.inf, 1.0, 2.0, -np.inf)
    for axis in (-1, 0):
        for op, function in (("softmax", torch.softmax), ("log_softmax", torch.log_softmax)):
            share = by_torch(lambda x, f=function, axis=axis: f(x, dim=axis))
            yield Row(op, (t(3, 9),), share, {"axis": axis})
            yield Row(op, (hidden,), share, {"axis": axis})
            yield Row(op, (values(1e4, 1e4, -1e4),), share, {"axis": axis})


def _attention_rows():
    operands = (t(2, 3, 5, 8), t(2, 3, 7, 8), t(2, 3, 7, 6))
    square = (t(2, 3, 5, 8), t(2, 3, 5, 8), t(2, 3, 5, 6))

    def sdpa(**options):
        return by_torch(
            lambda q, k, v, m=None: F.scaled_dot_product_attention(q, k, v, m, **options)
        )

    yield Row("attention", operands, sdpa(scale=0.25), {"scale": 0.25})
    causal = {"scale": 0.5, "causal": True}
    yield Row("attention", square, sdpa(scale=0.5, is_causal=True), causal)
    yield Row("attention", operands, sdpa(scale=0.5, is_causal=True), causal)
    nothing = Operand((2, 1, 1, 7), "bool", given=(1, 0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0))
    for shape in ((2, 1, 1, 7), (1, 3, 5, 7), (1, 1, 5, 1)):
        for m in (mask(*shape), t(*shape), Operand(shape, "float32")):
            yield Row("attention", (*operands, m), sdpa(scale=0.25), {"scale": 0.25})
    yield Row("attention", (*operands, nothing), sdpa(scale=0.25), {"scale": 0.25})


def _fused_body(crossed: str) -> dict:
    builder = GraphBuilder("body")
    x = builder.input("x", TensorType((3, 5), dtype(crossed)))
    y = builder.input("y", TensorType((3, 5), dtype(crossed)))
    total = builder.emit("add", x, y)
    return {"body": builder.finish([builder.emit("multiply", total, total)])}


def _fused_rows():
    yield Row("fused", (t(3, 5), t(3, 5)), lambda x, y: (x + y) ** 2, _fused_body)


TENSOR_ROWS = [
    *_shape_rows(),
    *_pad_rows(),
    *_convert_rows(),
    *_gather_rows(),
    *_contraction_rows(),
    *_reduction_rows(),
    *_normalization_rows(),
    *_attention_rows(),
    *_fused_rows(),
]
