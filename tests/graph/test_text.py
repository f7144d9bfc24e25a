"""The text form: random graphs survive print and parse; damaged text is refused by line."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glia.core.dtypes import DTYPES, dtype
from glia.core.errors import FormatError, GliaError
from glia.core.records import SourceLine
from glia.graph import Graph, GraphBuilder, GraphError, TensorType, Value
from glia.graph.evaluate import evaluate
from glia.graph.text import constants_of, parse_graph, print_graph
from glia.graph.verify import verify
from graph.transformer import graph_encoder, torch_encoder

F32 = dtype("float32")
NAMES = st.one_of(
    st.text(min_size=1, max_size=6), st.from_regex(r"\A[a-z_.$0-9]{1,9}\Z"), st.just("return")
)
SOURCES = st.none() | st.builds(
    SourceLine, st.text(max_size=8), st.integers(0, 10**6), st.text(max_size=8)
)
LAYERS = st.text(max_size=8) | st.sampled_from(["encoder.layer.0", "a b", "@", '"', "//"])
STEPS = ["tanh", "add", "softmax", "clamp", "reduce", "transpose", "convert", "fused"]


def _step(b: GraphBuilder, draw: st.DrawFn, pool: list[Value]) -> Value:
    x = draw(st.sampled_from(pool))
    name = draw(NAMES)
    op = draw(st.sampled_from(STEPS))
    if op == "add":
        return b.emit(op, x, x, name=name)
    if op == "softmax" and x.type.rank:
        return b.emit(op, x, axis=draw(st.integers(-x.type.rank, x.type.rank - 1)), name=name)
    if op == "clamp":
        number = draw(st.floats(width=32))
        bound = b.constant(name, np.array(number, dtype=x.type.dtype.numpy))
        return b.emit(op, bound, x, bound, name=name)
    if op == "reduce":
        dims = draw(st.lists(st.integers(0, x.type.rank - 1), unique=True)) if x.type.rank else []
        return b.emit(op, x, dimensions=tuple(dims), kind="maximum", name=name)
    if op == "transpose":
        order = draw(st.permutations(range(x.type.rank)))
        return b.emit(op, x, permutation=tuple(order), name=name)
    if op == "convert":
        return b.emit(op, x, dtype=draw(st.sampled_from(["bfloat16", "float32"])), name=name)
    if op == "fused":
        inner = GraphBuilder(draw(NAMES))
        y = inner.input(draw(NAMES), x.type)
        table = inner.constant(draw(NAMES), np.full(x.type.shape, 2, x.type.dtype.numpy))
        body = inner.finish([inner.emit("multiply", y, table, name=draw(NAMES))])
        return b.emit(op, x, body=body, name=name)
    return b.emit("tanh", x, name=name)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    b = GraphBuilder(draw(NAMES))
    shapes = st.lists(st.integers(0, 3), max_size=3).map(tuple)
    pool = [b.input(draw(NAMES), TensorType(draw(shapes), F32)) for _ in range(2)]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    pool.append(b.constant(draw(NAMES), rng.normal(size=draw(shapes)).astype(np.float32)))
    for _ in range(draw(st.integers(0, 5))):
        with b.at(draw(SOURCES), draw(LAYERS)):
            pool.append(_step(b, draw, pool))
    return b.finish(draw(st.lists(st.sampled_from(pool), max_size=3)))


def _assert_same(first: Graph, second: Graph) -> None:
    """Equal in everything, down to the bits of constants."""
    assert (first.name, first.inputs, first.outputs) == (second.name, second.inputs, second.outputs)
    assert list(first.constants) == list(second.constants)
    for value, data in first.constants.items():
        np.testing.assert_array_equal(second.constants[value], data, strict=True)
    assert len(first.nodes) == len(second.nodes)
    for one, two in zip(first.nodes, second.nodes, strict=True):
        assert (one.op, one.operands, one.result) == (two.op, two.operands, two.result)
        assert (one.source, one.layer) == (two.source, two.layer)
        assert list(one.attrs) == list(two.attrs)
        for key, attr in one.attrs.items():
            if isinstance(attr, Graph):
                _assert_same(attr, two.attrs[key])
            else:
                assert repr(attr) == repr(two.attrs[key])


@settings(max_examples=50, deadline=None)
@given(graphs())
def test_random_graphs_survive(graph: Graph) -> None:
    verify(graph)
    elided, inlined = print_graph(graph), print_graph(graph, "inline")
    _assert_same(parse_graph(elided, constants_of(graph)), graph)
    _assert_same(parse_graph(inlined), graph)
    assert print_graph(parse_graph(elided, "zeros")) == elided


ATTRS = [0, -7, 2**70, True, False, None, 0.1, -0.0, 1e-12, 1e300, float("inf"), -float("inf")]
ATTRS += ["", 'a"b\\\n\u00e4\u2028//%{}', (), (1,), (1, (2.5, ("x",), None)), float("nan")]


@pytest.mark.parametrize("value", ATTRS, ids=repr)
def test_every_kind_of_attribute_survives(value: object) -> None:
    from glia.graph.parser import _Parser, _tokens
    from glia.graph.text import _attr

    parsed = _Parser(_tokens(_attr(value, "elide")), {}).literal("")
    assert repr(parsed) == repr(value)


# Packed formats and tfloat32 are the chip's: graphs hold numbers that NumPy tells apart.
@pytest.mark.parametrize(
    "name", [n for n, d in DTYPES.items() if dtype(d.numpy) is d and not d.is_packed]
)
def test_constants_of_every_dtype_survive(name: str) -> None:
    b = GraphBuilder("g")
    for i, shape in enumerate([(), (1,), (3,), (0, 2)]):
        count = int(np.prod(shape))
        b.constant(f"c{i}", np.arange(1, count + 1).reshape(shape).astype(DTYPES[name].numpy))
    graph = b.finish([])
    _assert_same(parse_graph(print_graph(graph, "inline")), graph)
    _assert_same(parse_graph(print_graph(graph), constants_of(graph)), graph)


def test_encoder_survives_and_reads_well() -> None:
    model = torch_encoder(width=8, heads=2, layers=2)
    graph = graph_encoder(model, 2, 3)
    text = print_graph(graph)
    _assert_same(parse_graph(text, constants_of(graph)), graph)
    line = (
        "  %attention.1 = attention(%transpose.4, %transpose.5, %transpose.6, %mask) "
        '{scale = 0.5} : float32[2,2,3,4] // layers.1 @ encoder.py:11 "h = layer(h, mask)"'
    )
    assert line in text.splitlines()


GRAPH = """\
graph g(%x: float32[3,4]) {
  %half = constant(0.5) : float32[]
  %w = constant(...) : float32[3,4]
  %s = clamp(%half, %x, %half) : float32[3,4] // block @ m.py:3
  %"y z" = fused(%s, %w) {body = graph body(%a: float32[3,4], %b: float32[3,4]) {
      %c = add(%a, %b) : float32[3,4]
      return %c
    }} : float32[3,4] // @ "my file.py":4 "y = \\"z\\""
  return %"y z"
}
"""


def test_text_is_exactly_this() -> None:
    graph = parse_graph(GRAPH, {"w": np.ones((3, 4), np.float32)})
    assert print_graph(graph) == GRAPH
    assert graph.nodes[1].source == SourceLine("my file.py", 4, 'y = "z"')
    result = evaluate(graph, {"x": np.zeros((3, 4))})
    np.testing.assert_array_equal(result["y z"], np.full((3, 4), 1.5))


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("graph g", "grap g", FormatError, "line 1: got grap, expected 'graph'"),
        ("%s = clamp", "%s clamp", FormatError, "line 4: got clamp, expected '='"),
        ("(%half, %x", "(%hal, %x", FormatError, "line 4: got %hal, expected a value defined"),
        ("float32[]", "float31[]", FormatError, "line 2: got type float31.*did you mean"),
        ("constant(0.5)", "constant(%x)", FormatError, "expected a number, a string or ..."),
        ("constant(...)", "constant(1.0)", FormatError, "line 3: got 1.0, expected float32"),
        ("constant(...)", 'constant("AAAA")', FormatError, "line 3: got damaged data"),
        ("constant(...)", 'constant("?")', FormatError, "line 3: got damaged data"),
        ("// block @ m.py:3", "// block @ m.py", FormatError, "expected // layer @ file:line"),
        ("// block", "; block", FormatError, "line 4: got ';'"),
        ('  return %"y z"\n}', "", FormatError, "got the end"),
        ('return %"y z"\n}', 'return %"y z"\n}}', FormatError, "expected the end of the text"),
        ("body = graph", "body = grph", FormatError, "an attribute's value"),
        ("clamp(", "clomp(", GraphError, "did you mean 'clamp'"),
        (
            "%c = add(%a, %b) : float32[3,4]",
            "%c = add(%a, %b) : float32[4]",
            GraphError,
            "verifying",
        ),
        ("(%x:", "(%x: float32[], %x:", GraphError, "second value named %x"),
    ],
)
def test_damaged_text_is_refused(old: str, new: str, error: type, message: str) -> None:
    assert old in GRAPH
    with pytest.raises(error, match=message):
        parse_graph(GRAPH.replace(old, new, 1), "zeros")


@pytest.mark.parametrize("literal", ["300 : int8", "-1 : uint8", "0.5 : int32", "1 : bool"])
def test_numbers_that_do_not_fit_are_refused(literal: str) -> None:
    number, type = literal.split(" : ")
    with pytest.raises(FormatError, match=f"got {number}, expected {type}"):
        parse_graph(f"graph g() {{ %c = constant({number}) : {type}[] return }}")


def test_missing_or_wrong_data_are_refused() -> None:
    with pytest.raises(FormatError, match=r'line 3: got no data for %w.*constants="zeros"'):
        parse_graph(GRAPH)
    with pytest.raises(FormatError, match=r"got data of float64\[3, 4\] for %w"):
        parse_graph(GRAPH, {"w": np.ones((3, 4))})


@settings(max_examples=50, deadline=None)
@given(st.integers(0, len(GRAPH)), st.integers(0, 20), st.text(max_size=3))
def test_any_damage_gives_a_graph_or_one_of_our_errors(at: int, cut: int, extra: str) -> None:
    text = GRAPH[:at] + extra + GRAPH[at + cut :]
    try:
        verify(parse_graph(text, "zeros"))
    except GliaError as error:
        assert "expected" in str(error) or "choose one of" in str(error)
