"""One helper that all files find, however they are loaded; where one cannot serve all, the same."""

import subprocess
import sys

import pytest

from glia.port.fix.project import fix_project
from glia.port.targets import target_named
from port.fix.fixing import fix_in_place, write_files

MOVE = """import torch


def move(x):
    torch.cuda.empty_cache()
    return x.cuda()
"""
NET = """import torch

from utils.dev import move


def make():
    return move(torch.ones(2))
"""
TRAIN = """import torch

from models.net import make

torch.cuda.manual_seed(3)
print(make().cuda().sum().item())
"""
OTHER = "import torch\n\ntorch.cuda.synchronize()\n"


def _helpers(folder):
    return {str(p.relative_to(folder)): p.read_text("utf-8") for p in folder.rglob("accel*.py")}


def _run(folder, script):
    return subprocess.run(
        [sys.executable, script], cwd=folder, capture_output=True, text=True, check=False,
        timeout=120,
    )  # fmt: skip


def test_scripts_that_import_each_other_over_folders_find_every_function(tmp_path):
    """Without `__init__.py`: one module `accel` of the process serves all files."""
    write_files(tmp_path, {"train.py": TRAIN, "models/net.py": NET, "utils/dev.py": MOVE})
    fix_in_place(tmp_path)
    done = _run(tmp_path, "train.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "2.0"
    assert len(set(_helpers(tmp_path).values())) == 1


def test_packages_and_scripts_have_the_same_helper(tmp_path):
    packages = {f"{name}/__init__.py": "" for name in ("kernels", "serve", "train")}
    files = {"kernels/a.py": MOVE, "serve/b.py": OTHER, "train/c.py": "import torch\nx.cuda()\n"}
    write_files(tmp_path, {**packages, **files, "run.py": OTHER})
    fix_in_place(tmp_path)
    assert len(set(_helpers(tmp_path).values())) == 1
    assert not fix_in_place(tmp_path).changes


def test_a_later_run_completes_the_helpers_that_are_there(tmp_path):
    write_files(tmp_path, {"x/a.py": MOVE, "y/b.py": MOVE})
    fix_in_place(tmp_path)
    write_files(tmp_path, {"x/late.py": OTHER})
    fix_in_place(tmp_path)
    helpers = _helpers(tmp_path)
    assert all("def synchronize(" in text for text in helpers.values())
    assert len(helpers) == 2
    assert not fix_in_place(tmp_path).changes


# -- layouts: which helpers there are, and that every way to start the project finds one ----------

PLACE = "import torch\n\n\ndef f(x):\n    return x.cuda()\n"
MAIN = '\n\nif __name__ == "__main__":\n    print(1)\n'
UP = "import os, sys\nsys.path.insert(0, os.path.join(os.path.dirname(__file__), '..'))\n"
SPEC = (
    "import importlib.util as u\ns = u.spec_from_file_location('p1', {})\n"
    "m = u.module_from_spec(s)\ns.loader.exec_module(m)\n"
)
LAYOUTS = {
    "folders that import each other": (
        {"train.py": "import models.net\n" + PLACE,
         "models/net.py": "from utils import dev\n" + PLACE, "utils/dev.py": PLACE},
        ["train.py"], {"accel.py"},
    ),
    "a src layout with scripts": (
        {"pyproject.toml": "", "src/p/__init__.py": "", "src/p/a.py": "from . import b\n" + PLACE,
         "src/p/b.py": PLACE, "scripts/run.py": "import p.a\n" + PLACE,
         "tools/go.py": "import p\n" + PLACE},
        ["scripts/run.py", "tools/go.py", "-m p.a"], {"src/p/accel.py"},
    ),
    "two packages of one project": (
        {"pyproject.toml": "", "src/p/__init__.py": "", "src/p/a.py": PLACE,
         "src/q/__init__.py": "",
         "src/q/b.py": "from p import a\n", "src/q/c.py": PLACE},
        ["-m q.b", "-m q.c"], {"src/p/accel.py"},
    ),
    "scripts that say what is searched": (
        {"lib/net.py": PLACE, "lib/more.py": "import net\n" + PLACE,
         "scripts/run.py": UP.replace("'..'", "'..', 'lib'") + "import more\n" + PLACE,
         "scripts/go.py": UP.replace("'..'", "'..', 'lib'") + "import net\n" + PLACE},
        ["scripts/run.py", "scripts/go.py", "lib/more.py"], {"lib/accel.py"},
    ),
    "scripts beside their modules": (
        {"net.py": PLACE, "train.py": "import net\n" + PLACE,
         "tools/x.py": UP + "import net\n" + PLACE},
        ["train.py", "tools/x.py"], {"accel.py"},
    ),
    "a package with a program in it": (
        {"p/__init__.py": "", "p/a.py": PLACE + MAIN, "run.py": "import p.a\n"},
        ["run.py", "p/a.py"], {"p/accel.py", "accel.py"},
    ),
    "modules of a package that are run from their folder": (
        {"p/__init__.py": "", "p/a.py": PLACE, "p/b.py": "import a\n" + PLACE + MAIN},
        ["p/b.py"], {"p/accel.py"},
    ),
    "a module that is imported from two folders": (
        {"net/m.py": PLACE, "net/run.py": "import m\n", "go.py": "import net.m\n"},
        ["net/run.py", "go.py"], {"net/accel.py", "accel.py"},
    ),
    "folders without __init__.py that use dots": (
        {"p/a.py": "from . import b\n", "p/b.py": PLACE, "p/c/d.py": "from ..b import f\n" + PLACE,
         "run.py": "import p.a, p.c.d\n" + PLACE},
        ["run.py"], {"accel.py"},
    ),
    "a part without __init__.py of a package that it names in full": (
        {"pyproject.toml": "", "src/p/__init__.py": "", "src/p/a.py": PLACE,
         "src/p/part/b.py": "from p import a\n" + PLACE},
        ["-m p.part.b", "src/p/part/b.py"], {"src/p/accel.py"},
    ),
    "an own accel.py": (
        {"accel.py": "x = 1\n", "train.py": "import accel, net.m\n" + PLACE, "net/m.py": PLACE},
        ["train.py"], {"accel_device.py"},
    ),
    "an own accel.py in a folder": (
        {"a/accel.py": "x = 1\n", "a/run.py": PLACE, "b/run.py": PLACE},
        ["a/run.py", "b/run.py"], {"a/accel_device.py", "b/accel_device.py"},
    ),
    "a module that has a name of Python's": (
        {"p/types.py": PLACE, "p/a.py": "import types\n" + PLACE,
         "run.py": "import p.a, p.types\n"},
        ["run.py"], {"accel.py"},
    ),
    "a link beside a script to a module": (
        {"lib/m.py": PLACE, "x/run.py": "import m\n" + PLACE},
        ["x/run.py"], {"x/accel.py"},
    ),
    "a file that is loaded by its path": (
        {"plug/p1.py": PLACE, "main.py": SPEC.format("'plug/p1.py'")}, ["main.py"], {"accel.py"},
    ),
    "a file that is loaded by a path in parts": (
        {"plug/p1.py": PLACE, "tools/main.py": "import os\nHERE = os.path.dirname(__file__)\n"
         "PATH = os.path.join(HERE, '..', 'plug', 'p1.py')\n" + SPEC.format("PATH")},
        ["tools/main.py"], {"tools/accel.py"},
    ),
    "a file that is loaded by its path and imported": (
        {"plug/p1.py": PLACE, "plug/run.py": "import p1\n",
         "main.py": SPEC.format("'plug/p1.py'")},
        ["main.py", "plug/run.py"], {"accel.py", "plug/accel.py"},
    ),
    "a script that another runs": (
        {"jobs/a.py": PLACE, "main.py": "import runpy\nrunpy.run_path('jobs/a.py')\n"},
        ["main.py"], {"accel.py"},
    ),
    "a file that another executes": (
        {"jobs/a.py": PLACE,
         "main.py": "exec(compile(open('jobs/a.py').read(), 'jobs/a.py', 'exec'))\n"},
        ["main.py"], {"accel.py"},
    ),
    "a package that loads a part of it by its path": (
        {"pyproject.toml": "", "src/p/__init__.py": "",
         "src/p/a.py": "from pathlib import Path\n"
         + SPEC.format("Path(__file__).parent / 'parts' / 'b.py'"),
         "src/p/parts/b.py": "import p\n" + PLACE},
        ["-m p.a"], {"src/p/accel.py"},
    ),
    "a part of packages without __init__.py that is run": (
        {"ns/a/m.py": PLACE, "ns/b/n.py": PLACE + MAIN, "run.py": "import ns.a.m, ns.b.n\n"},
        ["run.py", "-m ns.a.m", "ns/b/n.py"], {"accel.py", "ns/b/accel.py"},
    ),
}  # fmt: skip
STUB = "class cuda:\n    device_count = staticmethod(lambda: 0)\n"


def start(folder, entry, torch=STUB):
    stubs = write_files(folder.parent / "stubs", {"torch.py": torch})
    found = {"PYTHONPATH": f"{stubs}:{folder / 'src'}", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *entry.split()], cwd=folder, env=found, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_way_to_start_a_project_finds_the_helper(tmp_path, name):
    files, entries, helpers = LAYOUTS[name]
    folder = write_files(tmp_path / "project", files)
    if "link" in name:
        (folder / "x/m.py").symlink_to("../lib/m.py")
    for entry in entries:
        before = start(folder, entry)
        assert before.returncode == 0, before.stderr
    fix_in_place(folder)
    for entry in entries:
        after = start(folder, entry)
        assert after.returncode == 0, after.stderr
    found = {n: t for n, t in _helpers(folder).items() if "glia fix" in t}
    assert set(found) == helpers
    assert len(set(found.values())) == 1
    assert not fix_in_place(folder).changes


def test_a_new_file_elsewhere_uses_the_helper_that_is_there(tmp_path):
    files, _, helpers = LAYOUTS["folders that import each other"]
    write_files(tmp_path / "a", files)
    fix_in_place(tmp_path / "a")
    write_files(
        tmp_path / "a", {"more/deep/new.py": "from utils import dev\n" + OTHER, "late.py": OTHER}
    )
    fix_in_place(tmp_path / "a")
    assert set(_helpers(tmp_path / "a")) == helpers
    # All at once comes to the same.
    write_files(tmp_path / "b", {**files, "more/deep/new.py": "from utils import dev\n" + OTHER,
                                 "late.py": OTHER})  # fmt: skip
    fix_in_place(tmp_path / "b")
    assert _helpers(tmp_path / "a") == _helpers(tmp_path / "b")


def test_a_new_way_to_load_a_fixed_file_gets_a_helper(tmp_path):
    folder = write_files(tmp_path / "project", {"x/m.py": PLACE, "x/run.py": "import m\n"})
    fix_in_place(folder)
    write_files(folder, {"go.py": "import x.m\n"})
    assert start(folder, "go.py").returncode == 1
    fix_in_place(folder)
    assert start(folder, "go.py").returncode == 0
    assert start(folder, "x/run.py").returncode == 0
    assert not fix_in_place(folder).changes


def test_helpers_that_the_project_changed_stay_its_own_and_new_ones_are_like_them(tmp_path):
    folder = write_files(tmp_path, {"x/a.py": PLACE})
    fix_in_place(folder)
    helper = folder / "x/accel.py"
    mine = helper.read_text("utf-8").replace(
        "def device(", "def mine():\n    pass\n\n\ndef device("
    )
    write_files(folder, {"x/accel.py": mine, "y/b.py": OTHER})
    fix_in_place(folder)
    assert set(_helpers(folder)) == {"x/accel.py", "y/accel.py"}
    assert len(set(_helpers(folder).values())) == 1
    assert "def mine()" in helper.read_text("utf-8") and "def synchronize(" in helper.read_text(
        "utf-8"
    )
    compile(helper.read_text("utf-8"), "accel.py", "exec")


@pytest.mark.parametrize("order", [("a", "b", "c"), ("c", "b", "a"), ("b", "a", "c")])
def test_the_order_of_runs_makes_no_difference(tmp_path, order):
    texts = {"a": PLACE, "b": OTHER, "c": "import torch\ne = torch.cuda.Event()\n"}
    for name in order:
        write_files(tmp_path / "steps", {f"{name}.py": texts[name]})
        fix_in_place(tmp_path / "steps")
    write_files(tmp_path / "once", {f"{name}.py": text for name, text in texts.items()})
    fix_in_place(tmp_path / "once")
    assert _helpers(tmp_path / "steps") == _helpers(tmp_path / "once")


def test_a_run_on_a_part_uses_the_helper_of_the_whole_and_changes_nothing_else(tmp_path):
    files = {
        "pyproject.toml": "",
        "train.py": "import models.net\n" + PLACE,
        "models/net.py": PLACE,
    }
    write_files(tmp_path, files)
    fix_in_place(tmp_path)
    before = _helpers(tmp_path)
    write_files(tmp_path, {"models/new.py": "from models import net\n" + PLACE,
                           "models/lacking.py": "from models import net\n" + OTHER})  # fmt: skip
    plan = fix_in_place(tmp_path / "models")
    assert _helpers(tmp_path) == before
    assert [change.path.name for change in plan.changes] == ["new.py"]
    assert ["lacks synchronize" in place.reason for place in plan.left] == [True]
    fix_in_place(tmp_path)  # the whole has it
    assert set(_helpers(tmp_path)) == set(before)
    assert "accel.synchronize()" in (tmp_path / "models/lacking.py").read_text("utf-8")


def test_a_part_of_a_package_keeps_its_helper_in_the_part(tmp_path):
    files = {"pyproject.toml": "", "p/__init__.py": "", "p/s/__init__.py": "", "p/s/a.py": PLACE}
    write_files(tmp_path, {**files, "p/b.py": "from p.s import a\n" + PLACE})
    for path in (tmp_path / "p/s/a.py", tmp_path / "p/s"):
        plan = fix_project(path, [target_named("cpu")])
        assert {change.path.parent for change in plan.changes} == {tmp_path.resolve() / "p/s"}
