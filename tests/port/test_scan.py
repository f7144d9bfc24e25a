"""One file under all rules: what is read, what is skipped, what cannot be read and why."""

from __future__ import annotations

import gc
import json
import os
import weakref
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glia.port.reading import scan_one
from glia.port.rules.table import RULES
from glia.port.scan import FileScan, may_matter, scan_file, words
from glia.port.source.files.project import MAX_BYTES, FileKind, SourceFile
from glia.port.source.module import Module

MOVED = "import torch\nmodel = torch.nn.Linear(2, 2).cuda()\n"


def scan(folder: Path, code: str | bytes, kind: FileKind = "python") -> FileScan:
    path = folder / ("a.ipynb" if kind == "notebook" else "a.py")
    path.write_bytes(code.encode() if isinstance(code, str) else code)
    return scan_file(path, kind)


def notebook(*cells: str) -> str:
    return json.dumps({"cells": [{"cell_type": "code", "source": cell} for cell in cells]})


def test_a_place_has_rule_line_column_and_code(tmp_path):
    (found,) = scan(tmp_path, MOVED).findings
    assert (found.rule, found.line, found.column) == ("C001", 2, 9)
    assert found.code == "model = torch.nn.Linear(2, 2).cuda()"


def test_columns_count_characters_and_lines_as_python_counts_them(tmp_path):
    found = scan(tmp_path, 'import torch\n\x0c\ns = "é€"; y = x.cuda()\n').findings
    assert [(f.line, f.column, f.code) for f in found] == [(3, 15, 's = "é€"; y = x.cuda()')]


UNREADABLE = {
    "Python 2, print": ('import torch\nprint "cuda"\n', "Python 2 (line 2)"),
    "Python 2, except": ("import torch\ntry:\n  f()\nexcept E, e:\n  g()\n", "Python 2"),
    "Python 2, raise": ('import torch\nraise E, "cuda"\n', "Python 2"),
    "Python 2, octal": ("import torch\nmode = 0755\n", "Python 2"),
    "not Python": ("import torch\nclass {{ name }}:\n", "not Python: line 2"),
    "too deep": ("import torch\nx = " + "-" * 100_000 + "1\n", "nested too deeply"),
    "zeros": (b"import torch\n\0\0", "null bytes"),
    "no text": (b"import torch\n\xff\xfe\xff", "encoding"),
    "unknown encoding": (b"# coding: klingon\nimport torch\nx = '\xff'\n", "encoding"),
    "too large": (b"import torch\n" + b"#" * MAX_BYTES, "too large: 2.0 MiB"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_says_why(case, tmp_path):
    code, reason = UNREADABLE[case]
    found = scan(tmp_path, code)
    assert reason in found.unread
    assert not found.findings


def test_no_right_to_read(tmp_path):
    path = tmp_path / "a.py"
    path.write_text(MOVED)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    assert scan_file(path, "python").unread == "unreadable: Permission denied"


def test_a_missing_file_is_no_crash(tmp_path):
    assert "unreadable" in scan_file(tmp_path / "gone.py", "python").unread


def test_encodings_and_marks_of_order_are_followed(tmp_path):
    latin = "# coding: latin-1\nimport torch\ny = 'é'; x.cuda()\n".encode("latin-1")
    assert [f.line for f in scan(tmp_path, latin).findings] == [3]
    assert [f.line for f in scan(tmp_path, b"\xef\xbb\xbf" + MOVED.encode()).findings] == [2]


def test_odd_escapes_are_no_error(tmp_path):
    assert scan(tmp_path, MOVED + 'pattern = "\\d"\n').unread == ""


@given(st.binary(max_size=200), st.sampled_from(["python", "notebook"]))
def test_no_bytes_stop_the_check(tmp_path_factory, content, kind):
    found = scan(tmp_path_factory.mktemp("any"), b"torch " + content, kind)
    assert found.unread or not found.findings


# -- notebooks -----------------------------------------------------------------------------------


def test_notebooks_count_in_cells(tmp_path):
    found = scan(tmp_path, notebook("import torch\n", "%time f()\n\nx.cuda()\n"), "notebook")
    assert [(f.rule, f.cell, f.line) for f in found.findings] == [("C001", 2, 3)]


@pytest.mark.parametrize(
    "line",
    [
        "if x:\n    !pip install a",
        "files = !ls",
        "df.head?",
        "?df",
        "%%bash\nls | wc",
        "if x:\n    %time 1",
        "model.layers[0]?",
        "? model",
        "??model.forward",
        "torch.*load*?",
        "f(1)? # what it does",
        "text = '''is it so?'''\n!ls",
        "'''\nis it so?\n'''\ny??",
        "!pip install a \\\n    b \\\n    c",
        "files[0] = !ls",
        "\n%%bash\nfor f in *; do echo $f; done",
        "%timeit -n 10 -r 3 f(x)",
        "%cd ..\n%matplotlib inline",
    ],
)
def test_the_language_of_notebooks_is_passed_over(line, tmp_path):
    found = scan(tmp_path, notebook("import torch", line, "x.cuda()"), "notebook")
    assert (found.unread, found.notes) == ("", ())
    assert [f.cell for f in found.findings] == [3]


@pytest.mark.parametrize(
    ("cell", "line"),
    [
        ("y = (a\n     % b\n     != x.cuda())\n", 3),
        ("y = (a\n%b\n!= x.cuda())\n", 3),
        ("# is it so?\nx.cuda()", 2),
        ("y?\nx.cuda()", 2),
        ("%timeit -n 10 x.cuda()", 1),
        ("if y:\n    %time x.cuda()", 2),
    ],
)
def test_lines_that_are_code(cell, line, tmp_path):
    found = scan(tmp_path, notebook("import torch", cell), "notebook")
    assert [(f.cell, f.line) for f in found.findings] == [(2, line)]
    assert found.notes == ()


def test_a_notebook_of_format_3(tmp_path):
    cell = {"cell_type": "code", "input": ["import torch\n", "x.cuda()"], "language": "python"}
    content = json.dumps({"worksheets": [{"cells": [cell]}], "nbformat": 3})
    found = scan(tmp_path, content, "notebook")
    assert [(f.rule, f.cell, f.line) for f in found.findings] == [("C001", 1, 2)]


def test_a_broken_cell_leaves_the_others(tmp_path):
    found = scan(tmp_path, notebook("import torch", "for x in", "x.cuda()"), "notebook")
    assert [(f.cell, f.line) for f in found.findings] == [(3, 1)]
    assert found.notes == ("cell 2 is not Python, and not read",)


@pytest.mark.parametrize(
    "content", ["torch", '["torch"]', '{"torch": 1}', '{"cells": [{"torch": 0}]}']
)
def test_what_is_no_notebook_says_so(content, tmp_path):
    assert scan(tmp_path, content, "notebook").unread == "not a notebook"


@pytest.mark.parametrize(
    ("cell", "rule", "line"),
    [
        ("import os\n!nvidia-smi", "C132", 2),
        ("%pip install flash-attn", "C054", 1),
        ("  !pip install -q xformers", "C057", 1),
        ("out = !nvidia-smi -L", "C132", 1),
        ("%env CUDA_VISIBLE_DEVICES=0", "C105", 1),
        ("%%bash\n\nnvidia-smi", "C132", 3),
    ],
)
def test_what_a_notebook_asks_the_shell_for_is_read(cell, rule, line, tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_text(notebook("import json", cell))
    found = scan_one(SourceFile(path, "a.ipynb", "notebook", "code")).findings
    assert [(f.rule, f.cell, f.line) for f in found] == [(rule, 2, line)]


@pytest.mark.parametrize(
    "cell", ["a = nvidia != 1", "%time nvidia", "%%writefile a.sh\nnvidia-smi"]
)
def test_what_only_looks_like_a_command_is_silent(cell, tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_text(notebook("import torch", cell))
    assert not scan_one(SourceFile(path, "a.ipynb", "notebook", "code")).findings


# -- the quick skip ------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_the_quick_skip_passes_every_rule(rule):
    is_python = rule.example.endswith(".py")
    assert not rule.triggers or not is_python or may_matter(rule.bad)


def test_the_quick_skip_skips():
    assert not may_matter("import json\nx = json.loads(text)\n")
    assert not any(a != b and a in b for a in words() for b in words())


def test_skipped_files_are_not_parsed(tmp_path):
    assert scan(tmp_path, "x = [i for i in range(3)]").is_parsed is False
    assert not scan(tmp_path, "import json\n").is_parsed
    assert scan(tmp_path, "import torch\n").is_parsed


GUARDED = """import torch
has_gpu = torch.cuda.is_available()
def ready(x):
    if not has_gpu:
        return None
    y = x.sum()
    return y.cuda() if y > 0 else f(y)
def f(x):
    if ready(x) and x.is_cuda:
        torch.cuda.synchronize()
    return x[x > 0].item()
"""


def test_no_tree_outlives_its_file(tmp_path, monkeypatch):
    """Neither a cache nor a circle of references keeps one: workers do not collect circles."""
    trees: weakref.WeakSet[object] = weakref.WeakSet()

    class Watched(Module):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)
            trees.update((self, self.tree))

    monkeypatch.setattr("glia.port.scan.Module", Watched)
    gc.disable()
    try:
        for number in range(100):
            found = scan(tmp_path, f"{GUARDED}x{number} = {number}\n").findings
            assert {f.guard for f in found} >= {"", "cuda"}
            assert not trees
    finally:
        gc.enable()
