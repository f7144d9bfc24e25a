"""Every rule of the subset: its bad example breaks it and no other, its good one breaks none."""

from __future__ import annotations

import ast
import inspect

import pytest

from glia.core.errors import ModelError
from glia.nki import isa
from glia.nki.subset import RULES, check_source
from glia.nki.subset.calls import parameters_of

BY_NAME = {rule.name: rule for rule in RULES}


def findings(tmp_path, text):
    path = tmp_path / "kernels.py"
    path.write_text(text)
    return [f for kernel in check_source(path, "kernels.py") for f in kernel.findings]


def test_names_are_distinct_and_every_rule_has_a_source():
    assert len(BY_NAME) == len(RULES)
    assert all(rule.source and rule.what and rule.do for rule in RULES)


@pytest.mark.parametrize("name", BY_NAME)
def test_the_bad_example_breaks_this_rule_only(tmp_path, name):
    rule = BY_NAME[name]
    found = findings(tmp_path, rule.bad)
    assert {f.rule for f in found} == {name}
    for one in found:
        assert one.line > 0 and one.column > 0 and one.severity == rule.severity
        assert one.code and one.code in rule.bad


@pytest.mark.parametrize("name", BY_NAME)
def test_the_good_example_breaks_none(tmp_path, name):
    good = BY_NAME[name].good
    ast.parse(good)
    assert findings(tmp_path, good) == []


def kernel(body, before=""):
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    head = "import nki\nimport nki.isa as nisa\nimport nki.language as nl\n"
    return f"{head}{before}\n\n@nki.jit\ndef kernel(x):\n{lines}    return x\n"


def test_the_place_is_exact(tmp_path):
    (found,) = findings(tmp_path, kernel("y = 1\nz = y is x"))
    assert (found.line, found.column, found.kernel) == (9, 9, "kernel")
    assert found.place == "kernels.py:9:9"
    assert found.code == "z = y is x"


@pytest.mark.parametrize("call", ["breakpoint()", "pdb.set_trace()"])
def test_a_debugger_is_a_warning_since_the_simulator_has_one(tmp_path, call):
    (found,) = findings(tmp_path, kernel(call, before="import pdb\n"))
    assert (found.rule, found.severity) == ("host-call", "warning")


@pytest.mark.parametrize("call", ["eval('x')", "exec('x')", "open('f')", "input()", "exit()"])
def test_calls_of_the_hosts_python_are_refused(tmp_path, call):
    (found,) = findings(tmp_path, kernel(f"y = {call}"))
    assert (found.rule, found.severity) == ("host-call", "error")


def test_is_none_is_a_warning_since_the_front_end_takes_it(tmp_path):
    (found,) = findings(tmp_path, kernel("y = 1 if x is None else 2"))
    assert (found.rule, found.severity) == ("identity", "warning")


def test_functions_outside_of_kernels_are_python_and_free(tmp_path):
    before = "\ndef host():\n    return [i for i in range(3) if i is not 2]\n"
    assert findings(tmp_path, kernel("y = 1", before)) == []


def test_helpers_of_helpers_are_read_once_for_each_kernel(tmp_path):
    before = (
        "\ndef one(y):\n    return two(y)\n\n\ndef two(y):\n    return one if y else (lambda: y)\n"
    )
    found = findings(tmp_path, kernel("one(x)\ntwo(x)", before))
    assert [f.rule for f in found] == ["lambda"]


def test_functions_that_are_handed_on_are_read_too(tmp_path):
    before = "\ndef act(y):\n    raise ValueError\n\n\ndef tiled(y, f):\n    f(y)\n"
    assert [f.rule for f in findings(tmp_path, kernel("tiled(x, act)", before))] == ["raise"]


def test_bodies_of_device_loops_may_stand_inside(tmp_path):
    body = "def body(i):\n    y = 1\n\nnl.fori_loop(0, 4, body)"
    assert findings(tmp_path, kernel(body)) == []


def test_annotations_are_not_compiled(tmp_path):
    text = kernel("y = 1").replace("kernel(x)", "kernel(x: 'list[int] | None' = None)")
    assert findings(tmp_path, text.replace("'", "")) == []


@pytest.mark.parametrize(
    "first",
    ["from neuronxcc import nki", "import neuronxcc.nki as nki", "from nki import jit"],
)
def test_kernels_are_found_under_every_import(tmp_path, first):
    decorator = "@jit" if "jit" in first else "@nki.jit"
    path = tmp_path / "k.py"
    path.write_text(f"{first}\n\n\n{decorator}\ndef k(x):\n    return x\n")
    assert [kernel.name for kernel in check_source(path)] == ["k"]


def test_a_function_that_python_wraps_later_is_a_kernel(tmp_path):
    path = tmp_path / "k.py"
    path.write_text("import nki\n\n\ndef k(x):\n    try:\n        return x\n    finally:\n"
                    "        pass\n\n\nrun = nki.jit(k)\n")  # fmt: skip
    (found,) = check_source(path)
    assert [f.rule for f in found.findings] == ["try"]


def test_kernels_under_a_condition_are_found(tmp_path):
    path = tmp_path / "k.py"
    path.write_text(
        "try:\n    import nki\nexcept ImportError:\n    nki = None\n"
        "if nki:\n    @nki.jit\n    def k(x):\n        return [i for i in x]\n"
    )
    (found,) = check_source(path)
    assert [f.rule for f in found.findings] == ["comprehension"]


def test_a_function_wrapped_at_its_call_is_a_helper_for_other_kernels(tmp_path):
    text = kernel("f(x)", "\ndef f(y):\n    return y\n\n\ng = nki.jit(f)\n")
    assert findings(tmp_path, text) == []


def test_several_kernels_keep_their_own_findings(tmp_path):
    text = kernel("y = 1 is x") + "\n\n@nki.jit\ndef other(x):\n    return x\n"
    path = tmp_path / "k.py"
    path.write_text(text)
    assert [(k.name, len(k.findings)) for k in check_source(path)] == [("kernel", 1), ("other", 0)]


def test_a_file_that_does_not_parse_names_line_and_column(tmp_path):
    path = tmp_path / "k.py"
    path.write_text("import nki\n\ndef k(:\n    pass\n")
    with pytest.raises(ModelError, match=r"SyntaxError: .* in `def k\(:`, at .*k\.py:3:7"):
        check_source(path)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "k.py"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match="expected Python source in UTF-8"):
        check_source(path)


@pytest.mark.parametrize("value", ["2**31", "1 << 31", "-2147483647 - 2", "65536 * 65536"])
def test_integers_that_leave_32_bits_by_arithmetic(tmp_path, value):
    found = findings(tmp_path, kernel(f"y = {value}"))
    assert {f.rule for f in found} == {"int32"}


@pytest.mark.parametrize("value", ["2147483647", "-2147483647 - 1", "2.0**40", "1 << 30", "2**-1"])
def test_integers_that_stay(tmp_path, value):
    assert findings(tmp_path, kernel(f"y = {value}")) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nisa.tensr_copy(x, x)", "did you mean tensor_copy?"),
        ("y = nl.loadd(x)", "did you mean load?"),
        ("y = nl.float33", "did you mean float32?"),
        ("nisa.dma_copy(x, x, dge_mode=nisa.dge_mode.hwgde)", "did you mean hwdge?"),
        ("nki.collectives.all_redoos(x)", r"did you mean"),
    ],
)
def test_names_that_do_not_exist(tmp_path, line, said):
    (found,) = findings(tmp_path, kernel(line))
    assert found.rule == "unknown-name" and said in found.what


def test_names_that_exist_are_left_alone(tmp_path):
    body = "y = nl.tile_size.pmax\nz = nl.bool_\nw = nisa.engine.vector.name\nn = nl.num_programs()"
    assert findings(tmp_path, kernel(body)) == []


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("nisa.dma_copy(x)", ["dma_copy without `src`"]),
        ("nisa.memset(x, 1.0, valu=2)", ["`valu=` of memset (did you mean value?"]),
        ("nisa.memset(x, 1.0, value=2.0)", ["`value=` of memset, given by place as well"]),
        ("nl.ds(1, 2, 3)", ["3 arguments by place of ds, which takes at most 2"]),
        ("nisa.dma_copy(*[x, x])", []),
        ("nisa.dma_copy(x, **n)", []),
        ("nl.load(x, mask=n)", []),
        ("x.dma_copy()", []),
    ],
)
def test_calls_are_held_against_the_signature(tmp_path, call, words):
    found = [f.what for f in findings(tmp_path, kernel(call)) if f.rule == "arguments"]
    assert len(found) == len(words)
    assert all(text in what for text, what in zip(words, found, strict=True))


def test_no_public_instruction_is_without_a_signature_to_hold_calls_against():
    names = [n for n in dir(isa) if inspect.isfunction(getattr(isa, n)) and n[0] != "_"]
    assert len(names) > 50
    assert all(parameters_of(f"nki.isa.{name}") is not None for name in names)
