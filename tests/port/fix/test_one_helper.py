"""Where one file cannot serve a project, all helpers are the same and complete."""

import subprocess
import sys

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
