"""What is written: nothing outside of what is named, all or nothing, and what the patch says."""

import errno
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glia.core.errors import UsageError
from glia.port.fix import write
from glia.port.fix.job import run_fix
from glia.port.targets import target_named
from port.fix.fixing import write_files

TARGETS = [target_named("trn2"), target_named("cpu")]
CUDA = "import torch\nx = torch.ones(2).cuda()\n"


def git(folder, *arguments):
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=True)
    return done.stdout


def committed(folder):
    git(folder, "init", "-q")
    git(folder, "add", "-A", "-f")
    git(folder, "commit", "-qm", "before")
    return folder


def tree(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(folder).parts
    }


def run_here(folder):
    """The report and the patch, with the files written without git."""
    return run_fix(folder, TARGETS, write=True, allow_dirty=True)


# -- links and other repositories ----------------------------------------------------------------


def test_links_that_lead_out_are_not_followed(tmp_path):
    write_files(tmp_path, {"out/a.py": CUDA, "out/p/__init__.py": "", "out/p/b.py": CUDA})
    inside = write_files(tmp_path / "in", {"c.py": "import p.b\n" + CUDA})
    (inside / "a.py").symlink_to("../out/a.py")
    (inside / "p").symlink_to("../out/p")
    before = tree(tmp_path / "out")
    report, patch = run_here(inside)
    assert tree(tmp_path / "out") == before
    assert sorted(c.file.rsplit("/")[-1] for c in report.changed) == ["accel.py", "c.py"]
    assert b"a.py" not in patch.replace(b"accel.py", b"")
    assert "not followed" in report.notes[0] and "a.py" in report.notes[0]


def test_a_link_to_a_file_inside_gives_one_edit(tmp_path):
    write_files(tmp_path, {"lib/a.py": CUDA})
    (tmp_path / "b.py").symlink_to("lib/a.py")
    (tmp_path / "same").symlink_to("lib")
    patch = run_here(tmp_path)[1]
    assert patch.count(b"+++ b/lib/a.py") == 1 and b"b.py" not in patch
    assert (tmp_path / "b.py").is_symlink()
    assert not run_here(tmp_path)[0].changed


def test_a_helper_that_is_a_link_is_not_written_through(tmp_path):
    write_files(tmp_path, {"out/old.py": CUDA, "in/a.py": CUDA})
    (tmp_path / "in" / "accel.py").symlink_to("../out/missing.py")
    run_here(tmp_path / "in")
    assert not (tmp_path / "out" / "missing.py").exists()
    assert "accel_device" in (tmp_path / "in" / "a.py").read_text(encoding="utf-8")


def test_a_link_that_is_named_stands_for_its_file(tmp_path):
    write_files(tmp_path, {"real/a.py": CUDA, "real/b.py": CUDA})
    (tmp_path / "one.py").symlink_to("real/a.py")
    run_here(tmp_path / "one.py")
    assert (tmp_path / "one.py").is_symlink()
    assert sorted(tree(tmp_path)) == ["one.py", "real/a.py", "real/accel.py", "real/b.py"]
    assert (tmp_path / "real/b.py").read_text(encoding="utf-8") == CUDA


def test_another_repository_inside_is_left_alone(tmp_path):
    committed(write_files(tmp_path / "top" / "sub", {"a.py": CUDA}))
    write_files(tmp_path / "top", {"b.py": CUDA})
    report, patch = run_here(tmp_path / "top")
    assert (tmp_path / "top/sub/a.py").read_text(encoding="utf-8") == CUDA
    assert b"sub/a.py" not in patch
    assert any("other repositories" in note and "sub" in note for note in report.notes)
    assert run_here(tmp_path / "top" / "sub")[0].changed


# -- all or nothing ------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path):
    return write_files(tmp_path, {"a.py": CUDA, "b.py": CUDA, "c.py": CUDA})


FAILURES = {
    "no space for the new bytes": (Path, "write_bytes", OSError(errno.ENOSPC, "No space left")),
    "no right to put it in place": (Path, "replace", PermissionError(errno.EACCES, "Denied")),
    "stopped by the user": (Path, "replace", KeyboardInterrupt()),
}


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_failure_half_way_leaves_everything_as_it_was(project, monkeypatch, name, number):
    owner, function, error = FAILURES[name]
    real, calls = getattr(owner, function), []

    def failing(self, *arguments):
        calls.append(self)
        if len(calls) == number:
            raise error
        return real(self, *arguments)

    before = tree(project)
    monkeypatch.setattr(owner, function, failing)
    expected = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else UsageError
    with pytest.raises(expected):
        run_here(project)
    monkeypatch.undo()
    assert tree(project) == before


def test_a_file_that_changes_meanwhile_stops_everything(project, monkeypatch):
    real = write._put_in_place

    def changing(item):
        real(item)
        (project / "c.py").write_text("mine = 1\n", encoding="utf-8")

    monkeypatch.setattr(write, "_put_in_place", changing)
    with pytest.raises(UsageError, match="has changed since"):
        run_here(project)
    new = tree(project)
    assert new.pop("c.py") == b"mine = 1\n"
    assert new == {"a.py": CUDA.encode(), "b.py": CUDA.encode()}


def test_a_file_that_may_not_be_written_is_refused(project):
    (project / "b.py").chmod(0o444)
    before = tree(project)
    with pytest.raises(UsageError, match="may not be written"):
        run_here(project)
    assert tree(project) == before


def test_rights_are_kept(project):
    (project / "a.py").chmod(0o755)
    run_here(project)
    assert os.stat(project / "a.py").st_mode & 0o777 == 0o755


# -- the patch -----------------------------------------------------------------------------------

ENDS = st.sampled_from(["\n", "\r\n"])
STARTS = st.sampled_from(["", "\ufeff", "# -*- coding: latin-1 -*-\n", "#!/usr/bin/env python\n"])
LINES = st.sampled_from([
    "x = net.cuda()", "x = 'ä'  # cuda", "def f(x):\n\treturn x.cuda()", "\x0c", "",
    "y = (1,\n\n 2)", "from torch import cuda as c",
    "try:\n    import torch\nexcept ImportError:\n    torch = None", "s = '''a\r\nb'''",
    "torch.cuda.synchronize(); z = 1", "if a:\n  x = x.to('cuda')   ",
])  # fmt: skip
NAMES = st.sampled_from(["a.py", "b c.py", "p/__init__.py", "p/d.py", "ü.py", "q/e.py"])


@st.composite
def files(draw):
    head = draw(STARTS)
    lines = ["import torch", *draw(st.lists(LINES, max_size=6))]
    text = head + "\n".join(lines) + draw(st.sampled_from(["", "\n"]))
    text = text.replace("\r\n", "\n").replace("\n", draw(ENDS))
    return text.encode("latin-1" if "latin-1" in head else "utf-8")


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.dictionaries(NAMES, files(), min_size=1, max_size=4))
def test_the_patch_is_what_is_written_and_nothing_else_changes(tmp_path_factory, texts):
    one, two = tmp_path_factory.mktemp("patched"), tmp_path_factory.mktemp("written")
    for folder in (one, two):
        for name, raw in texts.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(raw)
        (folder / "plain.py").write_bytes(b"import os\r\nx = '\xe4'\n")
    committed(two)
    report, patch = run_fix(one, TARGETS)
    before = tree(one)
    changed = {c.file.removeprefix(f"{one}/") for c in report.changed}
    if patch:
        (one.parent / f"{one.name}.patch").write_bytes(patch)
        git(one, "init", "-q")
        git(one, "apply", "--whitespace=nowarn", f"{one}.patch")
    run_fix(two, TARGETS, write=True)
    assert tree(one) == tree(two)
    assert {n: raw for n, raw in tree(two).items() if before.get(n) != raw}.keys() == changed
    assert not run_fix(two, TARGETS)[1]


# -- what git does not keep ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "pattern", "is_hidden"),
    [(".gitignore", "acc*", True), ("lib/.gitignore", "*\n!a.py", True), (".git/info/exclude",
     "lib/accel.py", True), (".gitignore", "*.pyc", False),
     (".gitignore", "*.py\n!accel.py", False)],
)  # fmt: skip
def test_a_helper_that_git_ignores_is_named_in_a_note(tmp_path, where, pattern, is_hidden):
    write_files(tmp_path, {"lib/a.py": CUDA})
    git(tmp_path, "init", "-q")
    write_files(tmp_path, {where: pattern + "\n"})
    report, patch = run_here(tmp_path)
    assert b"accel.py" in patch
    assert ["lib/accel.py: commit it with `git add -f`" in note for note in report.notes] == [
        True
    ] * is_hidden
