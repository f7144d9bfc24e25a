"""`glia fix` from the command line: the patch, the writing, and when it refuses."""

import json
import subprocess

import pytest
from typer.testing import CliRunner

from glia.cli.app import app

OLD = 'import torch\nx = torch.ones(2).cuda()\nd = torch.device("cuda", 1)\n'
NEW = (
    "import torch\nimport accel\nx = torch.ones(2).to(accel.device())\n"
    "d = torch.device(accel.device(1))\n"
)


def run(*arguments):
    return CliRunner().invoke(app, ["fix", *map(str, arguments)])


def git(folder, *arguments):
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "some folder"
    (folder / "sub dir").mkdir(parents=True)
    (folder / "a.py").write_text(OLD, encoding="utf-8")
    (folder / "sub dir" / "b é.py").write_bytes(OLD.replace("\n", "\r\n").encode()[:-2])
    (folder / "c.py").write_bytes(b"# coding: latin-1\nimport torch\ns = '\xe9'\nx = x.cuda()\n")
    (folder / ".gitignore").write_text("ignored/\n", encoding="utf-8")
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return folder


def test_the_patch_is_what_git_applies(repository):
    done = run(repository, "--to", "trn2,cpu")
    assert done.exit_code == 0
    assert done.stdout_bytes.startswith(b"diff --git a/a.py b/a.py\n")
    assert git(repository, "status", "--porcelain") == b""  # nothing is written
    (repository.parent / "x.patch").write_bytes(done.stdout_bytes)
    git(repository, "apply", "../x.patch")
    assert (repository / "a.py").read_text(encoding="utf-8") == NEW
    assert (repository / "sub dir" / "b é.py").read_bytes() == NEW.replace("\n", "\r\n").encode()[
        :-2
    ]
    assert b"s = '\xe9'\nx = x.to(accel.device())\n" in (repository / "c.py").read_bytes()
    assert run(repository, "--to", "trn2,cpu").stdout_bytes == b""


def test_writing_gives_what_the_patch_says(repository):
    patch = run(repository, "--to", "trn2,cpu", "--diff").stdout_bytes
    (repository / "a.py").chmod(0o755)
    git(repository, "commit", "-qam", "mode")
    done = run(repository, "--to", "trn2,cpu", "--write")
    assert done.exit_code == 0, done.output
    assert "C001" in done.stdout and "accel.py" in done.stdout
    assert (repository / "a.py").read_text(encoding="utf-8") == NEW
    assert (repository / "a.py").stat().st_mode & 0o777 == 0o755
    git(repository, "stash", "-u", "-q")
    (repository.parent / "x.patch").write_bytes(patch)
    git(repository, "apply", "../x.patch")
    git(repository, "add", "-A")
    assert git(repository, "diff", "--cached", "--stat", "stash@{0}", "--", "a.py", "c.py") == b""


def test_a_second_run_changes_nothing(repository):
    assert run(repository, "--to", "trn2,cpu", "--write").exit_code == 0
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "fixed")
    done = run(repository, "--to", "trn2,cpu", "--write")
    assert done.exit_code == 0
    assert "0 places" in done.output
    assert git(repository, "status", "--porcelain") == b""


@pytest.mark.parametrize("dirt", ["changed", "staged", "untracked"])
def test_a_dirty_tree_is_refused(repository, dirt):
    if dirt == "untracked":
        (repository / "new.py").write_text(OLD, encoding="utf-8")
    else:
        (repository / "c.py").write_text("y = 1\n", encoding="utf-8")
    if dirt == "staged":
        git(repository, "add", "-A")
    done = run(repository, "--to", "cpu", "--write")
    assert done.exit_code == 2
    assert "not committed" in done.output and "--allow-dirty" in done.output
    assert (repository / "a.py").read_text(encoding="utf-8") == OLD
    assert not (repository / "accel.py").exists()
    assert run(repository, "--to", "cpu", "--write", "--allow-dirty").exit_code == 0
    assert (repository / "a.py").read_text(encoding="utf-8") == NEW


def test_files_that_git_does_not_keep_are_refused(repository):
    (repository / "ignored").mkdir()
    (repository / "ignored" / "d.py").write_text(OLD, encoding="utf-8")
    done = run(repository, "--to", "cpu", "--write")
    assert done.exit_code == 2
    assert "d.py" in done.output
    assert (repository / "a.py").read_text(encoding="utf-8") == OLD


def test_outside_of_git_it_is_refused(tmp_path):
    (tmp_path / "a.py").write_text(OLD, encoding="utf-8")
    done = run(tmp_path, "--to", "cpu", "--write")
    assert done.exit_code == 2
    assert "outside of git" in done.output
    assert (tmp_path / "a.py").read_text(encoding="utf-8") == OLD
    assert run(tmp_path / "a.py", "--to", "cpu", "--write", "--allow-dirty").exit_code == 0
    assert (tmp_path / "a.py").read_text(encoding="utf-8") == NEW


def test_json_tells_the_same(repository):
    done = run(repository, "--to", "trn2,cpu", "--json")
    report = json.loads(done.stdout)
    assert {place["rule"] for place in report["fixed"]} == {"C001", "C004"}
    assert report["written"] is False
    assert report["diff"].startswith("diff --git")
    assert {c["file"].rsplit("/")[-1] for c in report["changed"] if c["helper"]} == {"accel.py"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "trn22"], "trn2"),
        (["--to", "cpu,cpu"], "cpu"),
        (["--to", "cpu", "--diff", "--write"], "both"),
        (["--to", "cpu", "--allow-dirty"], "--write"),
    ],
)
def test_bad_use_says_what_is_wrong(repository, arguments, words):
    done = run(repository, *arguments)
    assert done.exit_code == 2
    assert words in done.output
    assert "Traceback" not in done.output


def test_all_shows_the_new_line_below_the_old(tmp_path):
    script = tmp_path / "a.py"
    script.write_text("import torch\n\nx = torch.ones(2).cuda()\n", encoding="utf-8")
    output = run(script, "--to", "cpu", "--all").output
    assert "-> x = torch.ones(2).to(accel.device())" in output
    assert "-> x" not in run(script, "--to", "cpu").output


def test_without_libcst_it_says_what_to_install(repository, monkeypatch):
    """The advice holds in a checkout too: glia is in no index."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = run(repository, "--to", "cpu")
    assert done.exit_code == 2
    assert "pip install -e '.[port]'" in " ".join(done.output.split())


def test_nothing_there(tmp_path):
    done = run(tmp_path / "absent", "--to", "cpu", "--write")
    assert done.exit_code == 2
    assert "absent" in done.output
    (tmp_path / "a.txt").write_text("x.cuda()", encoding="utf-8")
    assert run(tmp_path / "a.txt", "--to", "cpu").exit_code == 2


def test_a_folder_that_cannot_be_written_leaves_everything_as_it_was(repository, monkeypatch):
    """The second file fails: the first one is brought back."""
    from pathlib import Path

    real = Path.replace

    def replace(self, target):
        if str(target).endswith("c.py"):
            raise PermissionError(13, "Permission denied", str(target))
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    done = run(repository, "--to", "cpu", "--write")
    assert done.exit_code == 2
    assert "nothing was changed" in done.output
    assert git(repository, "status", "--porcelain") == b""
