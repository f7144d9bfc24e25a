"""Bad input to `glia check`: one clear sentence, an exit code, no traceback, nothing written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from cli.test_app import run_glia

MOVED = "import torch\nx = torch.ones(2).cuda()\n"

# Arguments, then the exit code and words of the message.
REFUSED = {
    "unknown target": (["a.py", "--to", "trm2"], 2, "did you mean 'trn2'"),
    "no target": (["a.py"], 2, "--to"),
    "empty target": (["a.py", "--to", ","], 2, "--to"),
    "a target twice": (["a.py", "--to", "trn2,trainium2"], 2, "--to"),
    "no such file": (["gone.py", "--to", "trn2"], 2, "no such file or folder"),
    "no such folder": (["gone/", "--to", "trn2"], 2, "no such file or folder"),
    "another kind of file": (["notes.md", "--to", "trn2"], 2, "unknown kind"),
    "a link to itself": (["loop", "--to", "trn2"], 2, "no such file or folder"),
    "unknown level": (["a.py", "--to", "trn2", "--fail-on", "silnt"], 2, "'silent'"),
    "page in no folder": (["a.py", "--to", "trn2", "--html", "no/x.html"], 2, "--html"),
    "page is a folder": (["a.py", "--to", "trn2", "--html", "."], 2, "--html"),
    "log in no folder": (["a.py", "--to", "trn2", "--sarif", "no/x.sarif"], 2, "--sarif"),
    "bad settings": (["bad", "--to", "trn2"], 2, "glia.toml"),
}

# Content, and why it cannot be read; every one stands beside a file that can.
UNREAD = {
    "python2.py": (b'import torch\nprint "cuda"\n', "Python 2"),
    "broken.py": (b"import torch\nclass (\n", "not Python: line 2"),
    "zeros.py": (b"import torch\n\0\0\0", "null bytes"),
    "binary.py": (b"\x7fELF\x02\x01\xff\xfe torch cuda" * 99, "encoding"),
    "deep.py": (b"import torch\nx = " + b"(" * 5_000 + b")" * 5_000, "nested"),
    "unary.py": (b"import torch\nx = " + b"-" * 100_000 + b"1\n", "nested too deeply"),
    "large.py": (b"import torch\n" + b"x = 1\n" * 500_000, "too large"),
    "latin.py": (b"import torch\nx = '\xe9'\n", "encoding"),
    "utf16.py": ("import torch\nx.cuda()\n".encode("utf-16"), "encoding"),
    "empty.ipynb": (b"torch", "not a notebook"),
    "broken.ipynb": (b'{"cells": [{"cell_type": "code", "source": ["import torch\\n"', "notebook"),
    "train.yaml": (b"device: cuda\n x: [", "not YAML"),
    "ds.json": (b'{"device": "cuda",,}', "not JSON"),
}

READ = {
    "bom.py": b"\xef\xbb\xbf" + MOVED.encode(),
    "crlf.py": MOVED.replace("\n", "\r\n").encode(),
    "cr.py": MOVED.replace("\n", "\r").encode(),
    "named.py": b"# coding: latin-1\nimport torch\ny = '\xe9'; x.cuda()\n",
    "nothing.py": b"",
}


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.py").write_text(MOVED)
    (tmp_path / "notes.md").write_text("cuda")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "glia.toml").write_text("[check]\nexclud = []\n")
    return tmp_path


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str, folder: Path):
    words, code, text = REFUSED[case]
    before = tree(folder)
    done = run_glia("check", *words, cwd=folder)
    assert (done.returncode, done.stdout) == (code, "")
    assert text in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert tree(folder) == before


def test_no_file_stops_the_rest(tmp_path: Path):
    for name, (content, _) in UNREAD.items():
        (tmp_path / name).write_bytes(content)
    for name, content in READ.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "loop.py").symlink_to("loop.py")
    (tmp_path / "circle").symlink_to(tmp_path, target_is_directory=True)
    os.mkfifo(tmp_path / "pipe.yaml")
    before = tree(tmp_path)
    done = run_glia("check", ".", "--to", "trn2", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    found = json.loads(done.stdout)
    unread = {u["file"]: u["reason"] for u in found["unread"]}
    assert {name: text in unread.get(name, "") for name, (_, text) in UNREAD.items()} == (
        dict.fromkeys(UNREAD, True)
    )
    assert "loop.py" in unread and "pipe.yaml" not in unread
    moved = {f["file"] for f in found["findings"] if f["rule"] == "C001"}
    assert moved == set(READ) - {"nothing.py"}
    assert tree(tmp_path) == before


def test_an_empty_folder_is_no_verdict(tmp_path: Path):
    done = run_glia("check", ".", "--to", "trn2", "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert [(t["verdict"], t["reason"]) for t in found["targets"]] == [
        ("unknown", "no Python was found")
    ]
    shown = run_glia("check", ".", "--to", "trn2", cwd=tmp_path)
    assert (shown.returncode, "no Python was found" in shown.stdout) == (0, True)


@pytest.mark.skipif(os.geteuid() == 0, reason="this user may read everything")
def test_a_folder_without_the_right_to_read(tmp_path: Path):
    (tmp_path / "shut").mkdir(mode=0)
    done = run_glia("check", "shut", "--to", "trn2", cwd=tmp_path)
    assert (done.returncode, "unreadable folder" in done.stderr) == (2, True)


def test_the_page_is_written_whole_beside_the_table(tmp_path: Path):
    (tmp_path / "a.py").write_text(MOVED)
    done = run_glia("check", ".", "--to", "trn2", "--html", "out.html", cwd=tmp_path)
    page = (tmp_path / "out.html").read_text()
    assert done.returncode == 1 and "wrote out.html" in done.stderr
    assert page.startswith("<!doctype html>") and page.endswith("</html>\n")
    assert "torch.ones(2).cuda()" in page and "runs after fixes" in page
    assert tree(tmp_path) == {"a.py", "out.html"}


@pytest.mark.parametrize(
    ("files", "words", "code"),
    [
        ({"a.py": "x = (\n"}, ["a.py"], 1),
        ({"a.py": "x = (\n", "b.py": "x = 1\n"}, ["."], 1),
        ({"a.py": "x = (\n"}, [".", "--fail-on", "silent"], 1),
        ({"a.py": "x = (\n"}, [".", "--fail-on", "never"], 0),
        ({"tests/a.py": "x = (\n", "b.py": "x = 1\n"}, ["."], 0),
        ({"third_party/a.py": "x = (\n"}, ["."], 0),
        ({"chart.yaml": "device: cuda\n {{ x }}: [", "b.py": "x = 1\n"}, ["."], 0),
        ({"a.py": "x = (\n", "glia.toml": '[check]\nexclude = ["a.py"]\n'}, ["."], 0),
        ({"a.ipynb": "{", "b.py": "x = 1\n"}, ["."], 1),
        ({"a.py": 'print "no word of it"\n', "b.py": "x = 1\n"}, ["."], 1),
    ],
)
def test_code_that_cannot_be_read_fails(
    files: dict[str, str], words: list[str], code: int, tmp_path: Path
):
    """Whether or not it has a word that a rule looks for: nobody knows what it is."""
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    done = run_glia("check", *words, "--to", "trn2", cwd=tmp_path)
    is_excluded = "glia.toml" in files
    assert (done.returncode, "not read" in done.stdout) == (code, not is_excluded)
