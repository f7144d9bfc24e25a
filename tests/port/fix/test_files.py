"""Files as they are: encodings, line ends, marks, notebooks; what is not edited stays byte for
byte."""

import json
import os

import pytest

from glia.port.fix.project import fix_project
from glia.port.targets import target_named
from port.fix.fixing import fix_in_place, write_files

TARGETS = [target_named("trn2"), target_named("cpu")]
OLD = "import torch\nx = 'é'\ny = torch.ones(2).cuda()\n"
NEW = "import torch\nimport accel\nx = 'é'\ny = torch.ones(2).to(accel.device())\n"
FORMS = {
    "line feeds": (OLD.encode(), NEW.encode()),
    "carriage returns": (
        OLD.replace("\n", "\r\n").encode(),
        NEW.replace("\n", "\r\n").encode(),
    ),
    "byte order mark": (b"\xef\xbb\xbf" + OLD.encode(), b"\xef\xbb\xbf" + NEW.encode()),
    "latin-1": (
        b"# -*- coding: latin-1 -*-\n" + OLD.encode("latin-1"),
        b"# -*- coding: latin-1 -*-\n" + NEW.encode("latin-1"),
    ),
    "no end of line at the end": (OLD.rstrip("\n").encode(), NEW.rstrip("\n").encode()),
    "tabs and blanks at the end": (
        b"import torch\ndef f(x):\n\tif x:\n\t\tx = x.cuda()   \n\treturn x\t\n\n\n",
        b"import torch\nimport accel\ndef f(x):\n\tif x:\n\t\tx = x.to(accel.device())   \n"
        b"\treturn x\t\n\n\n",
    ),
    "a form feed": (
        b"import torch\n\x0c\nx = x.cuda()\n",
        b"import torch\nimport accel\n\x0c\nx = x.to(accel.device())\n",
    ),
    "several statements in a line": (
        b"import torch; x = x.cuda(); y = x\n",
        b"import accel\nimport torch; x = x.to(accel.device()); y = x\n",
    ),
    "lines that go on": (
        b"import torch\nx = f(a, \\\n   b).cuda(  # why\n   0 ,\n  )\n",
        b"import torch\nimport accel\nx = f(a, \\\n   b).to(  # why\n   accel.device(0) ,\n  )\n",
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_the_form_of_a_file_is_kept(tmp_path, name):
    old, new = FORMS[name]
    (tmp_path / "a.py").write_bytes(old)
    fix_in_place(tmp_path)
    assert (tmp_path / "a.py").read_bytes() == new
    assert not fix_in_place(tmp_path).changes


UNREAD = {
    "not Python": b"import torch\nx = = 1\ntorch.cuda.synchronize()\n",
    "Python 2": b"import torch\nprint 'a'\ntorch.cuda.synchronize()\n",
    "not text": b"import torch\n\xff\xfe\xfa torch.cuda.synchronize()\n",
    "nested too deeply": b"import torch\nx = " + b"(" * 3000 + b"1" + b")" * 3000 + b"\n",
}


@pytest.mark.parametrize("reason", UNREAD)
def test_what_is_not_read_is_not_changed_and_stops_nothing(tmp_path, reason):
    (tmp_path / "bad.py").write_bytes(UNREAD[reason])
    (tmp_path / "good.py").write_text(OLD, encoding="utf-8")
    plan = fix_in_place(tmp_path)
    assert (tmp_path / "bad.py").read_bytes() == UNREAD[reason]
    assert (tmp_path / "good.py").read_text(encoding="utf-8") == NEW
    assert [item.file.endswith("bad.py") for item in plan.unread] == [True]


def notebook(*cells, indent=1):
    parts = [
        {"cell_type": "code", "metadata": {}, "source": text.splitlines(keepends=True)}
        for text in cells
    ]
    parts.insert(1, {"cell_type": "markdown", "metadata": {}, "source": ["x.cuda() it is\n"]})
    content = {"cells": parts, "metadata": {"name": "é"}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=indent, ensure_ascii=False) + "\n"


def test_a_notebook_changes_in_its_cells_only(tmp_path):
    cells = (
        "%matplotlib inline\nimport torch\n!nvidia-smi",
        "if ok:\n    !ls\nx = x.cuda()",
        "y = 1\n",
    )
    (tmp_path / "a.ipynb").write_text(notebook(*cells), encoding="utf-8")
    fix_in_place(tmp_path)
    new = (
        "%matplotlib inline\nimport torch\nimport accel\n!nvidia-smi",
        "if ok:\n    !ls\nx = x.to(accel.device())",
        "y = 1\n",
    )
    assert (tmp_path / "a.ipynb").read_text(encoding="utf-8") == notebook(*new)
    assert not fix_in_place(tmp_path).changes


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ":"), (",", ": ")])
@pytest.mark.parametrize("end", ["", "\n"])
def test_a_notebook_without_spaces_stays_so(tmp_path, separators, end):
    def compact(text: str) -> str:
        return json.dumps(json.loads(text), separators=separators) + end

    (tmp_path / "a.ipynb").write_text(compact(notebook("import torch\nx = torch.ones(2).cuda()\n")))
    fix_in_place(tmp_path)
    new = (tmp_path / "a.ipynb").read_text(encoding="utf-8")
    assert "accel.device()" in new
    assert compact(new) == new


def test_a_notebook_of_unusual_layout_is_left_with_the_reason(tmp_path):
    text = notebook("import torch\nx = x.cuda()\n", indent=3)
    (tmp_path / "a.ipynb").write_text(text, encoding="utf-8")
    plan = fix_in_place(tmp_path)
    assert (tmp_path / "a.ipynb").read_text(encoding="utf-8") == text
    assert "layout" in plan.unread[0].reason and "Jupyter" in plan.unread[0].reason


def test_tests_and_vendored_code_are_left_alone(tmp_path):
    names = ("tests/test_a.py", "third_party/b.py", "test_c.py")
    write_files(tmp_path, dict.fromkeys(names, OLD))
    assert not fix_project(tmp_path, TARGETS).changes
    assert fix_project(tmp_path / "test_c.py", TARGETS).changes  # unless they are named


def test_accepted_places_are_left_alone(tmp_path):
    text = "import torch\nx.cuda()  # glia: ignore[C001] only for the old cluster\n"
    write_files(tmp_path, {"a.py": text})
    plan = fix_project(tmp_path, TARGETS)
    assert not plan.changes
    assert not plan.left


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
def test_links_that_lead_to_themselves_stop_nothing(tmp_path):
    write_files(tmp_path, {"a.py": OLD})
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "self.py").symlink_to(tmp_path / "self.py")
    assert len(fix_project(tmp_path, TARGETS).changes) == 2


# -- where the helper stands ---------------------------------------------------------------------

CUDA = "import torch\nx = torch.ones(2).cuda()\n"
LAYOUTS = {
    "a script": ({"a.py": CUDA}, {"a.py": "import accel"}, ["accel.py"]),
    "a package with relative imports": (
        {"p/__init__.py": "", "p/a.py": "from . import b\n" + CUDA, "p/s/__init__.py": "",
         "p/s/c.py": "from .. import b\n" + CUDA, "p/b.py": ""},
        {"p/a.py": "from . import accel", "p/s/c.py": "from .. import accel"},
        ["p/accel.py"],
    ),
    "a package that is imported by name": (
        {"p/__init__.py": "", "p/a.py": "import p.b\n" + CUDA, "p/b.py": "", "setup.py": ""},
        {"p/a.py": "from p import accel"},
        ["p/accel.py"],
    ),
    "scripts beside a package that they import": (
        {"p/__init__.py": "", "p/a.py": CUDA, "run.py": "import p.a\n" + CUDA},
        {"p/a.py": "from . import accel", "run.py": "from p import accel"},
        ["p/accel.py"],
    ),
    "scripts that import a package without places": (
        {"p/__init__.py": "", "run.py": "import p\n" + CUDA},
        {"run.py": "import accel"},
        ["accel.py"],
    ),
    "scripts in folders of their own": (
        {"x/a.py": CUDA, "y/b.py": CUDA},
        {"x/a.py": "import accel", "y/b.py": "import accel"},
        ["x/accel.py", "y/accel.py"],
    ),
    "the name is taken by a file": (
        {"a.py": CUDA, "accel.py": "own = 1\n"},
        {"a.py": "import accel_device"},
        ["accel_device.py"],
    ),
    "the name is taken in the file": (
        {"a.py": "accel = 1\n" + CUDA},
        {"a.py": "import accel as _accel"},
        ["accel.py"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_file_finds_the_helper(tmp_path, name):
    files, imports, helpers = LAYOUTS[name]
    write_files(tmp_path, files)
    plan = fix_in_place(tmp_path)
    for file, line in imports.items():
        assert line in (tmp_path / file).read_text(encoding="utf-8").splitlines()
    found = [os.path.relpath(c.file, tmp_path) for c in plan.changed if c.helper]
    assert sorted(found) == helpers
    assert not fix_in_place(tmp_path).changes


def test_the_import_stands_in_front_of_what_needs_it(tmp_path):
    text = '"""What it is."""\nfrom __future__ import annotations\nDEVICE = "cuda"\nimport torch\n'
    write_files(tmp_path, {"a.py": text})
    fix_in_place(tmp_path)
    new = (tmp_path / "a.py").read_text(encoding="utf-8").splitlines()
    assert new[1:4] == [
        "from __future__ import annotations",
        "import accel",
        "DEVICE = accel.device()",
    ]
