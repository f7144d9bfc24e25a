"""Each pass by example: the graph before and after, as text, in tests/golden/passes."""

from __future__ import annotations

import numpy as np
import pytest

from glia.compiler.passes.base import PassPipeline
from glia.graph.parser import parse_graph
from glia.graph.text import constants_of, print_graph

ATTENTION = """
graph attention(%q: float32[2,4,8,16], %k: float32[2,4,8,16], %v: float32[2,4,8,16], \
%pad: float32[2,8]) {
  %scale = constant(0.25) : float32[]
  %kt = transpose(%k) {permutation = (0, 1, 3, 2)} : float32[2,4,16,8]
  %s = dot_general(%q, %kt) {lhs_batching_dimensions = (0, 1), rhs_batching_dimensions = (0, 1), \
lhs_contracting_dimensions = (3,), rhs_contracting_dimensions = (2,)} : float32[2,4,8,8]
  %scales = broadcast_in_dim(%scale) {shape = (2, 4, 8, 8), broadcast_dimensions = ()} \
: float32[2,4,8,8]
  %t = multiply(%s, %scales) : float32[2,4,8,8]
  %mask = broadcast_in_dim(%pad) {shape = (2, 4, 8, 8), broadcast_dimensions = (0, 3)} \
: float32[2,4,8,8]
  %u = add(%t, %mask) : float32[2,4,8,8]
  %p = softmax(%u) {axis = 3} : float32[2,4,8,8]
  %y = dot_general(%p, %v) {lhs_batching_dimensions = (0, 1), rhs_batching_dimensions = (0, 1), \
lhs_contracting_dimensions = (3,), rhs_contracting_dimensions = (2,)} : float32[2,4,8,16]
  return %y
}
"""

# name: (passes, graph before). The name is the golden file's.
CASES = {
    "fold_constants": (
        "fold-constants",
        """
graph table(%x: int32[3,4]) {
  %two = constant(2) : int32[]
  %i = iota() {shape = (4,), dimension = 0, dtype = "int32"} : int32[4]
  %twos = broadcast_in_dim(%two) {shape = (4,), broadcast_dimensions = ()} : int32[4]
  %j = multiply(%i, %twos) : int32[4]
  %row = broadcast_in_dim(%j) {shape = (3, 4), broadcast_dimensions = (1,)} : int32[3,4]
  %double = add(%row, %row) : int32[3,4]
  %y = add(%x, %double) : int32[3,4]
  return %y
}
""",
    ),
    "fold_constants_keeps_what_is_large": (
        "fold-constants{limit_elements=8}",
        """
graph large(%x: int32[9]) {
  %i = iota() {shape = (9,), dimension = 0, dtype = "int32"} : int32[9]
  %y = add(%x, %i) : int32[9]
  return %y
}
""",
    ),
    "simplify_identities": (
        "simplify",
        """
graph identities(%x: float32[2,3], %flag: bool[2,3]) {
  %one = constant(1.0) : float32[]
  %zero = constant(0.0) : float32[]
  %yes = constant(True) : bool[]
  %ones = broadcast_in_dim(%one) {shape = (2, 3), broadcast_dimensions = ()} : float32[2,3]
  %zeros = broadcast_in_dim(%zero) {shape = (2, 3), broadcast_dimensions = ()} : float32[2,3]
  %all = broadcast_in_dim(%yes) {shape = (2, 3), broadcast_dimensions = ()} : bool[2,3]
  %a = transpose(%x) {permutation = (1, 0)} : float32[3,2]
  %b = transpose(%a) {permutation = (1, 0)} : float32[2,3]
  %c = multiply(%b, %ones) : float32[2,3]
  %d = subtract(%c, %zeros) : float32[2,3]
  %e = convert(%d) {dtype = "float32"} : float32[2,3]
  %f = reshape(%e) {shape = (6,)} : float32[6]
  %g = reshape(%f) {shape = (2, 3)} : float32[2,3]
  %h = and(%flag, %all) : bool[2,3]
  %i = not(%h) : bool[2,3]
  %y = select(%i, %g, %zeros) : float32[2,3]
  return %y
}
""",
    ),
    "simplify_keeps_signed_zero": (
        "simplify",
        """
graph zeros(%x: float32[3]) {
  %zero = constant(0.0) : float32[]
  %zeros = broadcast_in_dim(%zero) {shape = (3,), broadcast_dimensions = ()} : float32[3]
  %y = add(%x, %zeros) : float32[3]
  return %y
}
""",
    ),
    "simplify_keeps_nan_order": (
        "simplify",
        """
graph order(%x: float32[3], %z: float32[3]) {
  %less = compare(%x, %z) {direction = "LT"} : bool[3]
  %y = not(%less) : bool[3]
  return %y
}
""",
    ),
    "simplify_works_before_broadcasts": (
        "simplify",
        """
graph mask(%attend: bool[2,5]) {
  %zero = constant(0.0) : float32[]
  %low = constant(-1e+30) : float32[]
  %m = broadcast_in_dim(%attend) {shape = (2, 1, 5, 5), broadcast_dimensions = (0, 3)} \
: bool[2,1,5,5]
  %zeros = broadcast_in_dim(%zero) {shape = (2, 1, 5, 5), broadcast_dimensions = ()} \
: float32[2,1,5,5]
  %lows = broadcast_in_dim(%low) {shape = (2, 1, 5, 5), broadcast_dimensions = ()} \
: float32[2,1,5,5]
  %y = select(%m, %zeros, %lows) : float32[2,1,5,5]
  return %y
}
""",
    ),
    "simplify_even_gather": (
        "simplify",
        """
graph gathered(%x: bool[3,7]) {
  %where = constant(...) : int64[3,1,1,7,2]
  %y = gather(%x, %where) {offset_dims = (), collapsed_slice_dims = (0, 1), \
start_index_map = (0, 1), index_vector_dim = 4, slice_sizes = (1, 1)} : bool[3,1,1,7]
  return %y
}
""",
    ),
    "simplify_keeps_uneven_gather": (
        "simplify",
        """
graph gathered(%x: bool[3,7]) {
  %uneven = constant(...) : int64[3,1]
  %y = gather(%x, %uneven) {offset_dims = (1,), collapsed_slice_dims = (0,), \
start_index_map = (0,), index_vector_dim = 1, slice_sizes = (1, 7)} : bool[3,7]
  return %y
}
""",
    ),
    "simplify_reduces_before_broadcasts": (
        "simplify",
        """
graph lengths(%mask: float32[2,5]) {
  %m = broadcast_in_dim(%mask) {shape = (2, 5, 3), broadcast_dimensions = (0, 1)} : float32[2,5,3]
  %y = reduce(%m) {dimensions = (1,), kind = "add"} : float32[2,3]
  return %y
}
""",
    ),
    "reassociate_constants": (
        "reassociate-constants,fold-constants",
        """
graph rows(%x: float32[2,4,3]) {
  %row = constant(...) : float32[3]
  %w = constant(...) : float32[4,3]
  %bs = broadcast_in_dim(%row) {shape = (2, 4, 3), broadcast_dimensions = (2,)} : float32[2,4,3]
  %ws = broadcast_in_dim(%w) {shape = (2, 4, 3), broadcast_dimensions = (1, 2)} : float32[2,4,3]
  %a = add(%x, %bs) : float32[2,4,3]
  %y = add(%a, %ws) : float32[2,4,3]
  return %y
}
""",
    ),
    "reassociate_constants_not_when_the_first_sum_is_read": (
        "reassociate-constants",
        """
graph rows(%x: float32[4,3]) {
  %w = constant(...) : float32[4,3]
  %a = add(%x, %w) : float32[4,3]
  %y = add(%a, %w) : float32[4,3]
  return %y, %a
}
""",
    ),
    "eliminate_common": (
        "eliminate-common",
        """
graph common(%x: float32[3]) {
  %a = tanh(%x) : float32[3]
  %b = tanh(%x) : float32[3]
  %c = add(%a, %b) : float32[3]
  return %c, %b
}
""",
    ),
    "eliminate_dead": (
        "eliminate-dead",
        """
graph dead(%x: float32[3], %unused: float32[1]) {
  %weight = constant(...) : float32[9]
  %a = tanh(%x) : float32[3]
  %b = abs(%x) : float32[3]
  return %b
}
""",
    ),
    "narrow_types": (
        "narrow-types",
        """
graph narrow(%ids: int64[3], %x: float64[3]) {
  %one = constant(1) : int64[]
  %ones = broadcast_in_dim(%one) {shape = (3,), broadcast_dimensions = ()} : int64[3]
  %i = add(%ids, %ones) : int64[3]
  %f = convert(%i) {dtype = "float64"} : float64[3]
  %y = add(%f, %x) : float64[3]
  return %y
}
""",
    ),
    "set_precision": (
        "set-precision{precision=bf16}",
        """
graph precise(%x: float32[3]) {
  %low = constant(-3.4028234663852886e+38) : float32[]
  %third = constant(0.3333333432674408) : float32[]
  %lows = broadcast_in_dim(%low) {shape = (3,), broadcast_dimensions = ()} : float32[3]
  %thirds = broadcast_in_dim(%third) {shape = (3,), broadcast_dimensions = ()} : float32[3]
  %a = multiply(%x, %thirds) : float32[3]
  %b = convert(%a) {dtype = "float32"} : float32[3]
  %y = maximum(%b, %lows) : float32[3]
  return %y
}
""",
    ),
    "recognise_activations": (
        "recognise-activations",
        """
graph gelu(%x: float32[3]) {
  %half = constant(0.5) : float32[]
  %root = constant(1.4142135381698608) : float32[]
  %one = constant(1.0) : float32[]
  %halves = broadcast_in_dim(%half) {shape = (3,), broadcast_dimensions = ()} : float32[3]
  %roots = broadcast_in_dim(%root) {shape = (3,), broadcast_dimensions = ()} : float32[3]
  %ones = broadcast_in_dim(%one) {shape = (3,), broadcast_dimensions = ()} : float32[3]
  %h = multiply(%x, %halves) : float32[3]
  %s = divide(%x, %roots) : float32[3]
  %e = erf(%s) : float32[3]
  %u = add(%ones, %e) : float32[3]
  %g = multiply(%h, %u) : float32[3]
  %l = logistic(%g) : float32[3]
  %y = multiply(%l, %g) : float32[3]
  return %y
}
""",
    ),
    "recognise_activations_not_another_constant": (
        "recognise-activations",
        """
graph gelu(%x: float32[3]) {
  %half = constant(0.5) : float32[]
  %one = constant(1.0) : float32[]
  %halves = broadcast_in_dim(%half) {shape = (3,), broadcast_dimensions = ()} : float32[3]
  %ones = broadcast_in_dim(%one) {shape = (3,), broadcast_dimensions = ()} : float32[3]
  %h = multiply(%x, %halves) : float32[3]
  %e = erf(%x) : float32[3]
  %u = add(%ones, %e) : float32[3]
  %y = multiply(%h, %u) : float32[3]
  return %y
}
""",
    ),
    "recognise_attention": ("recognise-attention,simplify", ATTENTION),
    "recognise_attention_not_when_the_shares_are_read": (
        "recognise-attention",
        ATTENTION.replace("return %y", "return %y, %p"),
    ),
    "recognise_attention_not_over_another_axis": (
        "recognise-attention",
        ATTENTION.replace("axis = 3", "axis = 2"),
    ),
    "fuse_linear_activation": (
        "fuse-linear-activation",
        """
graph dense(%x: float32[2,3]) {
  %w = constant(...) : float32[4,3]
  %b = constant(...) : float32[4]
  %h = linear(%x, %w, %b) {activation = None} : float32[2,4]
  %y = gelu(%h) {approximate = "tanh"} : float32[2,4]
  return %y
}
""",
    ),
    "fuse_linear_activation_not_when_shared": (
        "fuse-linear-activation",
        """
graph dense(%x: float32[2,3]) {
  %w = constant(...) : float32[4,3]
  %h = linear(%x, %w) : float32[2,4]
  %y = tanh(%h) : float32[2,4]
  return %y, %h
}
""",
    ),
    "fuse_residual_norm": (
        "fuse-residual-norm",
        """
graph residual(%x: float32[2,3], %r: float32[2,3], %w: float32[3], %b: float32[3]) {
  %s = add(%x, %r) : float32[2,3]
  %y = layer_norm(%s, %w, %b) {epsilon = 1e-05} : float32[2,3]
  return %y
}
""",
    ),
    "fuse_residual_norm_not_when_the_sum_is_read": (
        "fuse-residual-norm",
        """
graph residual(%x: float32[2,3], %r: float32[2,3], %w: float32[3], %b: float32[3]) {
  %s = add(%x, %r) : float32[2,3]
  %n = layer_norm(%s, %w, %b) {epsilon = 1e-05} : float32[2,3]
  %y = add(%n, %s) : float32[2,3]
  return %y
}
""",
    ),
    "merge_linears": (
        "merge-linears",
        """
graph qkv(%x: float32[2,3]) {
  %wq = constant(...) : float32[4,3]
  %wk = constant(...) : float32[4,3]
  %wv = constant(...) : float32[5,3]
  %bq = constant(...) : float32[4]
  %bv = constant(...) : float32[5]
  %q = linear(%x, %wq, %bq) : float32[2,4]
  %k = linear(%x, %wk) : float32[2,4]
  %v = linear(%x, %wv, %bv) : float32[2,5]
  %g = linear(%x, %wk) {activation = "gelu"} : float32[2,4]
  return %q, %k, %v, %g
}
""",
    ),
    "merge_linears_not_of_computed_weights": (
        "merge-linears",
        """
graph qk(%x: float32[2,3], %w: float32[4,3]) {
  %a = linear(%x, %w) : float32[2,4]
  %v = tanh(%w) : float32[4,3]
  %b = linear(%x, %v) : float32[2,4]
  return %a, %b
}
""",
    ),
    "fuse_elementwise": (
        "fuse-elementwise",
        """
graph chain(%x: float32[2,3], %row: float32[3]) {
  %half = constant(0.5) : float32[]
  %halves = broadcast_in_dim(%half) {shape = (2, 3), broadcast_dimensions = ()} : float32[2,3]
  %rows = broadcast_in_dim(%row) {shape = (2, 3), broadcast_dimensions = (1,)} : float32[2,3]
  %a = multiply(%x, %halves) : float32[2,3]
  %b = add(%a, %rows) : float32[2,3]
  %c = tanh(%b) : float32[2,3]
  %s = reduce(%c) {dimensions = (1,), kind = "add"} : float32[2]
  %t = exponential(%s) : float32[2]
  return %t
}
""",
    ),
    "fuse_elementwise_stops_at_outputs": (
        "fuse-elementwise",
        """
graph chain(%x: float32[2,3]) {
  %a = abs(%x) : float32[2,3]
  %b = tanh(%a) : float32[2,3]
  %c = sqrt(%b) : float32[2,3]
  return %c, %b
}
""",
    ),
    "fuse_elementwise_stops_at_other_readers": (
        "fuse-elementwise",
        """
graph chain(%x: float32[2,3]) {
  %a = tanh(%x) : float32[2,3]
  %s = reduce(%a) {dimensions = (1,), kind = "maximum"} : float32[2]
  %m = broadcast_in_dim(%s) {shape = (2, 3), broadcast_dimensions = (0,)} : float32[2,3]
  %d = subtract(%a, %m) : float32[2,3]
  %y = exponential(%d) : float32[2,3]
  return %y
}
""",
    ),
}


def _data() -> dict[str, np.ndarray]:
    rows, columns = np.arange(3).reshape(3, 1, 1, 1), np.arange(7).reshape(1, 1, 1, 7)
    where = np.stack(np.broadcast_arrays(rows, columns), -1)
    floats = {f"w{x}": (n, 3) for x, n in (("q", 4), ("k", 4), ("v", 5))}
    floats |= {"bq": (4,), "bv": (5,), "b": (4,), "w": (4, 3), "weight": (9,), "row": (3,)}
    arrays = {name: np.ones(shape, np.float32) for name, shape in floats.items()}
    return arrays | {"where": where, "uneven": np.array([[2], [0], [2]])}


@pytest.mark.parametrize("name", sorted(CASES))
def test_before_and_after(name: str, golden):
    passes, text = CASES[name]
    before = parse_graph(text.strip() + "\n", constants=_data())
    after, notes = PassPipeline.parse(passes).run(before)
    golden(
        f"passes/{name}.txt",
        f"// {passes}\n{print_graph(before)}\n--> {'; '.join(notes) or 'nothing'}\n\n"
        f"{print_graph(after)}",
    )


@pytest.mark.parametrize("name", [n for n in sorted(CASES) if "_not_" in n or "_keeps_" in n])
def test_a_pass_that_must_not_fire_leaves_the_graph_as_it_was(name: str):
    passes, text = CASES[name]
    before = parse_graph(text.strip() + "\n", constants=_data())
    after, notes = PassPipeline.parse(passes).run(before)
    assert print_graph(after) == print_graph(before)
    assert notes == ()


def test_merged_weights_are_the_weights_in_order():
    text = CASES["merge_linears"][1]
    data = _data() | {"wq": np.full((4, 3), 2, np.float32), "wv": np.full((5, 3), 3, np.float32)}
    before = parse_graph(text.strip() + "\n", constants=data)
    merged = constants_of(PassPipeline.parse("merge-linears").run(before)[0])
    assert merged["wq.merged"][:, 0].tolist() == [2] * 4 + [1] * 4 + [3] * 5
    assert merged["q.bias.merged"].tolist() == [1] * 4 + [0] * 4 + [1] * 5
