"""What the shape rules refuse: each message says what was given, what was expected, what to do."""

from __future__ import annotations

import re

import numpy as np
import pytest

from glia.core.dtypes import dtype
from glia.core.errors import UsageError
from glia.core.records import SourceLine
from glia.graph import OPS, GraphBuilder, GraphError, TensorType


def ty(text: str) -> TensorType:
    name, dims = re.fullmatch(r"(\w+)\[(.*)\]", text).groups()
    return TensorType(tuple(map(int, filter(None, dims.split(",")))), dtype(name))


DOT = {
    "lhs_batching_dimensions": (),
    "rhs_batching_dimensions": (),
    "lhs_contracting_dimensions": (1,),
    "rhs_contracting_dimensions": (0,),
}
GATHER = {
    "offset_dims": (1,),
    "collapsed_slice_dims": (0,),
    "start_index_map": (0,),
    "index_vector_dim": 1,
    "slice_sizes": (1, 4),
}
BODY_BUILDER = GraphBuilder("body")
BODY = BODY_BUILDER.finish([BODY_BUILDER.input("x", ty("float32[2]"))])

REFUSED = [
    ("exponential", ["int32[2]"], {}, "expected an operand of kind float"),
    ("not", ["float32[2]"], {}, "kind bool or int or uint"),
    ("sign", ["bool[2]"], {}, "kind float or int"),
    ("add", ["float32[2]", "float32[3]"], {}, "operands of equal shape and dtype"),
    ("add", ["float32[2]", "float64[2]"], {}, "broadcast_in_dim or convert one"),
    ("add", ["bool[2]", "bool[2]"], {}, "kind float or int"),
    ("add", ["complex64[2]", "complex64[2]"], {}, "got complex64"),
    ("add", ["float32[2]"], {}, "missing a required argument: 'rhs'"),
    ("add", ["float32[2]"] * 3, {}, "too many positional arguments"),
    ("abs", ["float32[2]"], {"axis": 1}, "unexpected keyword argument 'axis'"),
    ("power", ["int32[2]", "int32[2]"], {}, "kind float"),
    ("compare", ["float32[2]"] * 2, {"direction": "lt"}, "expected one of 'EQ', 'NE'"),
    ("select", ["int32[2]", "float32[2]", "float32[2]"], {}, "a bool of shape"),
    ("select", ["bool[3]", "float32[2]", "float32[2]"], {}, "a bool of shape"),
    ("clamp", ["float32[3]", "float32[2]", "float32[]"], {}, "bound float32[3]"),
    ("reshape", ["float32[2,3]"], {"shape": (4,)}, "expected 6 elements"),
    ("reshape", ["float32[2,3]"], {"shape": (-1, 6)}, "dims of 0 or more"),
    ("reshape", ["float32[2,3]"], {"shape": [6]}, "of type list"),
    ("reshape", ["float32[2,3]"], {"shape": (np.int64(6),)}, "convert it"),
    ("reshape", ["float32[2,3]"], {"shape": 6}, "a tuple of ints"),
    ("transpose", ["float32[2,3]"], {"permutation": (0, 0)}, "distinct dims from 0 to 1"),
    ("transpose", ["float32[2,3]"], {"permutation": (0,)}, "a tuple of 2 ints"),
    (
        "broadcast_in_dim",
        ["float32[3]"],
        {"shape": (3, 2), "broadcast_dimensions": (1,)},
        "every dim to be 1 or the size",
    ),
    ("concatenate", [], {"dimension": 0}, "no operand"),
    ("concatenate", ["float32[2,3]", "float32[3,3]"], {"dimension": 1}, "expected float32[2,3]"),
    ("concatenate", ["float32[2]", "float32[2,1]"], {"dimension": 0}, "rank 1"),
    (
        "slice",
        ["float32[4]"],
        {"start_indices": (2,), "limit_indices": (5,), "strides": (1,)},
        "0 <= start <= limit <= 4",
    ),
    (
        "slice",
        ["float32[4]"],
        {"start_indices": (0,), "limit_indices": (4,), "strides": (0,)},
        "stride > 0",
    ),
    (
        "pad",
        ["float32[2]", "float32[]"],
        {"edge_padding_low": (-3,), "edge_padding_high": (0,), "interior_padding": (0,)},
        "crop less",
    ),
    (
        "pad",
        ["float32[2]", "float64[]"],
        {"edge_padding_low": (0,), "edge_padding_high": (0,), "interior_padding": (0,)},
        "padding value float64[]",
    ),
    ("reverse", ["float32[2]"], {"dimensions": (-1,)}, "count from the left"),
    ("convert", ["float32[2]"], {"dtype": "float31"}, "did you mean 'float32'"),
    ("convert", ["float32[2]"], {"dtype": 3}, "expected a dtype name"),
    ("convert", ["float32[2]"], {"dtype": "complex64"}, "got complex64[2]"),
    ("iota", [], {"shape": (2,), "dimension": 1, "dtype": "int32"}, "a dim from 0 to 0"),
    ("gather", ["float32[3,4]", "float32[5]"], GATHER, "kind int or uint"),
    ("gather", ["float32[3,4]", "int32[5]"], GATHER | {"slice_sizes": (1, 5)}, "at most (3, 4)"),
    ("gather", ["float32[3,4]", "int32[5]"], GATHER | {"slice_sizes": (2, 4)}, "1 in dims (0,)"),
    ("gather", ["float32[3,4]", "int32[5]"], GATHER | {"index_vector_dim": 2}, "0 to 1"),
    ("gather", ["float32[3,4]", "int32[5,2]"], GATHER, "a tuple of 2 ints"),
    ("gather", ["float32[3,4]", "int32[5]"], GATHER | {"offset_dims": (2,)}, "distinct dims"),
    ("dot_general", ["float32[2,3]", "float32[4,5]"], DOT, "paired dims of equal size"),
    ("dot_general", ["float32[2,3]", "float64[3,5]"], DOT, "dtype float32"),
    ("dot_general", ["float32[2,3]", "float32[3,5]"], DOT | {"dtype": "int32"}, "kind float"),
    (
        "dot_general",
        ["float32[2,3]", "float32[3,5]"],
        DOT | {"rhs_contracting_dimensions": ()},
        "as many of each",
    ),
    ("reduce", ["float32[2]"], {"dimensions": (0,), "kind": "mean"}, "one of 'add'"),
    ("reduce", ["float32[2]"], {"dimensions": (0,), "kind": "and"}, "kind bool or int"),
    ("reduce", ["float32[2]"], {"dimensions": (0, 0), "kind": "add"}, "distinct dims"),
    ("cumsum", ["float32[2]"], {"dimension": True}, "a dim from 0 to 0"),
    ("softmax", ["float32[2]"], {"axis": 1}, "-1 <= axis < 1"),
    ("gelu", ["float32[2]"], {"approximate": "erf"}, "one of 'none', 'tanh'"),
    ("layer_norm", ["float32[2,4]", "float32[2]", "float32[4]"], {"epsilon": 1e-5}, "weight"),
    ("layer_norm", ["float32[2,4]", "float32[4]", "float32[4]"], {"epsilon": 1}, "a float"),
    ("rms_norm", ["float32[]", "float32[1]"], {"epsilon": 1e-5}, "rank 1 or more"),
    (
        "add_layer_norm",
        ["float32[2,4]", "float32[4]", "float32[4]", "float32[4]"],
        {"epsilon": 1e-5},
        "operands of equal shape",
    ),
    ("linear", ["float32[2,4]", "float32[4,5]"], {}, "weight float32[4,5], expected float32[4,4]"),
    ("linear", ["float32[2,4]", "float32[5,4]", "float32[4]"], {}, "bias float32[4]"),
    ("linear", ["float32[4]", "float32[5,4]"], {"activation": "selu"}, "one of None, 'gelu'"),
    ("linear", ["int32[4]", "int32[5,4]"], {}, "kind float"),
    ("embedding", ["float32[4]", "int32[5]"], {}, "[num_rows, width]"),
    ("embedding", ["float32[4,2]", "float32[5]"], {}, "kind int"),
    ("attention", ["float32[1,2,3]"] * 3, {"scale": 1.0}, "rank 4"),
    ("attention", ["float32[1,2,3,4]"] * 3, {}, "missing a required argument: 'scale'"),
    ("attention", ["float32[1,2,3,4]"] * 3, {"scale": 1}, "a float"),
    (
        "attention",
        ["float32[1,2,3,4]", "float32[1,1,3,4]", "float32[1,2,3,4]"],
        {"scale": 1.0},
        "k float32[1,1,3,4], expected float32[1,2,3,4]",
    ),
    ("attention", [*["float32[1,2,3,4]"] * 3, "bool[3,3]"], {"scale": 1.0}, "broadcasts to"),
    ("attention", [*["float32[1,2,3,4]"] * 3, "int32[1,1,1,3]"], {"scale": 1.0}, "bool or float"),
    ("fused", ["float32[3]"], {"body": BODY}, "which the body takes"),
    ("fused", ["float32[2]"], {"body": "body"}, "a Graph"),
]


@pytest.mark.parametrize(("op", "types", "attrs", "message"), REFUSED)
def test_wrong_calls_are_refused(op: str, types: list[str], attrs: dict, message: str) -> None:
    with pytest.raises(GraphError) as caught:
        OPS[op].infer(*map(ty, types), **attrs)
    text = str(caught.value)
    assert message in text
    assert text.startswith(f"{op}({', '.join(types)}")
    assert re.search(r": got .*, expected .*; .*", text), text


def test_builder_names_the_users_line() -> None:
    b = GraphBuilder("g")
    x, y = b.input("x", ty("float32[2]")), b.input("y", ty("float32[3]"))
    expected = re.escape("encoder.0 @ model.py:7: add(float32[2], float32[3]): got ")
    with b.at(SourceLine("model.py", 7), "encoder.0"), pytest.raises(GraphError, match=expected):
        b.emit("add", x, y)


def test_unknown_op_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'softmax'"):
        GraphBuilder("g").emit("softmaxx")
