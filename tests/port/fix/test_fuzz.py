"""Snippets put together at random: what comes out is Python, runs a second time without a change,
and differs from the old text in the lines of the places alone."""

import ast
import difflib
import tokenize
from io import StringIO

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glia.port.fix.helper.helper_text import helper_text
from glia.port.fix.project import fix_project
from glia.port.targets import target_named
from port.fix.fixing import write_files

TARGETS = [target_named("trn2"), target_named("cpu")]

NAMES = st.sampled_from(["x", "model", "batch['a']", "self.net", "f(x)", "xs[0]", "(a + b)"])
DEVICES = st.sampled_from(['"cuda"', "'cuda:0'", 'f"cuda:{rank}"', "0", "rank", '"cpu"', "device"])
COMMENTS = st.sampled_from(["", "  # cuda is fast", "  # x.cuda()", "  # ü"])


@st.composite
def expressions(draw, depth=2):
    name, device = draw(NAMES), draw(DEVICES)
    forms = [
        f"{name}.cuda()",
        f"{name}.cuda( {device} , non_blocking = True )",
        f"{name}.to({device})",
        f"torch.zeros(3, device={device})",
        '"cuda" if torch.cuda.is_available() else "cpu"',
        "torch.device(\"cuda\" if torch.cuda.is_available() else 'cpu')",
        f'f"{{torch.cuda.memory_allocated() / 1e9:.1f}} GB of {{{name}!r:>{{width}}}} cuda"',
        '"a text about cuda, .cuda() and torch.cuda.synchronize()"',
        "torch.cuda.current_device()",
        "load(data,\n        pin_memory=True,  # so\n    )",
        f"{name}.pin_memory()",
        "torch.cuda.amp.GradScaler(enabled=ok)",
        "lambda t: t.cuda()",
        "[t.cuda() for t in xs if t.is_cuda]",
        "torch.load(path)",
        "torch.cuda.FloatTensor(2)",
        "torch.cuda.Event(enable_timing=True)",
        "torch.cuda.get_device_properties(0)",
        f'{{"device": {device}, "n": 1}}',
    ]
    form = draw(st.sampled_from(forms))
    if depth and draw(st.booleans()):
        inner = draw(expressions(depth=depth - 1))
        wrap = draw(
            st.sampled_from(["g({})", "({})", "[{}, 1]", "({}) if use else None", "k(a={})"])
        )
        return wrap.format(form if draw(st.booleans()) else inner)
    return form


@st.composite
def statements(draw, indent=""):
    inner = draw(expressions())
    comment = draw(COMMENTS)
    forms = [
        f"y = {inner}{comment}",
        f"device = {draw(DEVICES)}{comment}",
        f"def f(a, device={draw(DEVICES)}):{comment}\n    return {inner}",
        f"with torch.cuda.amp.autocast():{comment}\n    y = {inner}",
        f"with torch.autocast('cuda', dtype=d):\n    y = {inner}{comment}",
        f"if torch.cuda.is_available():{comment}\n    y = {inner}\nelse:\n    y = 1",
        f"@deco(1)\n@torch.cuda.amp.autocast()\ndef f(x):\n    '''uses cuda'''\n    return {inner}",
        f"torch.cuda.synchronize();  y = {inner}{comment}",
        f"torch.backends.cudnn.benchmark = True{comment}",
        f"torch.cuda.manual_seed_all(\n    1,{comment}\n)",
        f"for t in xs:\n\tt = t.cuda(){comment}\n\n",
        f"y = (\n    {inner}{comment}\n)",
        f"y = 1{comment}\n\n\n",
    ]
    return draw(st.sampled_from(forms))


def comments_of(text):
    tokens = tokenize.generate_tokens(StringIO(text).readline)
    return [t.string for t in tokens if t.type == tokenize.COMMENT]


def strings_of(text):
    return sorted(
        n.value for n in ast.walk(ast.parse(text))
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and len(n.value) > 12
    )  # fmt: skip


@settings(
    max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(st.lists(statements(), min_size=1, max_size=6), st.booleans())
def test_any_mixture(tmp_path_factory, parts, carriage_returns):
    folder = tmp_path_factory.mktemp("fuzz")
    old = "import torch\nimport torch.nn as nn  # cuda\n" + "\n".join(parts) + "\n"
    ast.parse(old)
    end = "\r\n" if carriage_returns else "\n"
    write_files(folder, {"a.py": old.replace("\n", end)})
    plan = fix_project(folder, TARGETS)
    changes = {change.path.name: change.new for change in plan.changes}
    raw = changes.get("a.py", old.replace("\n", end).encode()).decode()
    assert raw.count("\n") == raw.count(end)  # no line end of another kind
    new = raw.replace(end, "\n")

    ast.parse(new)
    assert comments_of(new) == comments_of(old)
    removed = set(strings_of(old)) - set(strings_of(new))
    assert all("cuda" not in s or s.startswith("torch.cuda.") for s in removed)
    assert_only_places_differ(old, new, plan)

    write_files(folder, {"a.py": raw})
    if "accel.py" in changes:
        (folder / "accel.py").write_bytes(changes["accel.py"])
        compile(changes["accel.py"], "accel.py", "exec")
    assert not fix_project(folder, TARGETS).changes


def assert_only_places_differ(old, new, plan):
    """Every line that is gone belongs to a statement with a place; every other line is the same."""
    touched = {n for place in plan.fixed for n in lines_of_statement(old, place.line)}
    matcher = difflib.SequenceMatcher(None, old.split("\n"), new.split("\n"), autojunk=False)
    for kind, first, last, new_first, new_last in matcher.get_opcodes():
        if kind == "insert":
            lines = new.split("\n")[new_first:new_last]  # or an argument on a line of its own
            assert lines == ["import accel"] or {first, first + 1} <= touched
        elif kind != "equal":
            assert set(range(first + 1, last + 1)) <= touched


def lines_of_statement(text, line):
    """The lines of the innermost statement, or head of one, at a line."""
    best = (line, line)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or line):
            best = max(best, (node.lineno, node.end_lineno or line)) if best != (line, line) else (
                node.lineno, node.end_lineno or line
            )  # fmt: skip
    return range(best[0], best[1] + 1)


def test_the_helper_is_written_in_the_same_way_each_time():
    assert helper_text(["device", "autocast"]) == helper_text(["autocast", "device"])
