"""Where the helper is imported: where PyTorch is, never earlier, and not where it may be absent."""

import ast
import subprocess
import sys

import pytest

from port.fix.fixing import fix_in_place, fixed_text, write_files

MOVE = "def move(x):\n    return x.cuda()\n"
MOVED = "def move(x):\n    return x.to(accel.device())\n"
OTHER = "def other():\n    import torch\n\n\n"
PLACED = {
    "in the try that may fail": (
        "try:\n    import torch\n    import numpy\nexcept ImportError:\n    torch = None\n" + MOVE,
        "try:\n    import torch\n    import accel\n    import numpy\nexcept ImportError:\n"
        "    torch = None\n" + MOVED,
    ),
    "in a try on one line": (
        "try: import torch\nexcept ImportError: torch = None\n" + MOVE,
        "try: import torch; import accel\nexcept ImportError: torch = None\n" + MOVED,
    ),
    "behind a question for the package": (
        "from importlib.util import find_spec\nif find_spec('torch'):\n    import torch\n" + MOVE,
        "from importlib.util import find_spec\nif find_spec('torch'):\n    import torch\n"
        "    import accel\n" + MOVED,
    ),
    "in both branches": (
        "if fast:\n    import torch\nelse:\n    import torch, slow\n" + MOVE,
        "if fast:\n    import torch\n    import accel\nelse:\n    import torch, slow\n"
        "    import accel\n" + MOVED,
    ),
    "a try that ends the program is none": (
        "try:\n    import torch\nexcept ImportError:\n    raise SystemExit\nDEVICE = 'cuda'\n"
        "y = net.to('cuda')\n",
        "try:\n    import torch\nexcept ImportError:\n    raise SystemExit\nimport accel\n"
        "DEVICE = accel.device()\ny = net.to(accel.device())\n",
    ),
    "in the function that imports PyTorch": (
        'def f(x):\n    """Text."""\n    import torch\n\n    return x.cuda(), torch.cuda.Event()\n',
        'def f(x):\n    """Text."""\n    import torch\n    import accel\n\n'
        "    return x.to(accel.device()), accel.Event()\n",
    ),
    "behind the environment in a function": (
        "import os\ndef main(gpu):\n    os.environ['CUDA_VISIBLE_DEVICES'] = gpu\n"
        "    import torch\n    torch.cuda.synchronize()\n",
        "import os\ndef main(gpu):\n    os.environ['CUDA_VISIBLE_DEVICES'] = gpu\n"
        "    import torch\n    import accel\n    accel.synchronize()\n",
    ),
    "at the start of a function that is given a tensor": (
        OTHER + 'class A:\n\tdef f(self, x):\n\t\t"""Text."""\n\t\treturn x.cuda()\n',
        OTHER + 'class A:\n\tdef f(self, x):\n\t\t"""Text."""\n\t\timport accel\n'
        "\t\treturn x.to(accel.device())\n",
    ),
    "a function on one line": (
        OTHER + "def f(x): return x.cuda()\n",
        OTHER + "def f(x): import accel; return x.to(accel.device())\n",
    ),
    "for type checkers it is not imported": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\n" + MOVE,
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\n"
        "def move(x):\n    import accel\n    return x.to(accel.device())\n",
    ),
    "behind what is set in front of PyTorch": (
        "import os\nos.environ['CUDA_VISIBLE_DEVICES'] = '1'\nimport torch\nx = net.cuda()\n",
        "import os\nos.environ['CUDA_VISIBLE_DEVICES'] = '1'\nimport torch\nimport accel\n"
        "x = net.to(accel.device())\n",
    ),
    "a script of another library's models": (
        "import os\nfrom transformers import pipeline\np = pipeline('x', device='cuda')\n",
        "import os\nfrom transformers import pipeline\nimport accel\n"
        "p = pipeline('x', device=accel.device())\n",
    ),
    "without an import a tensor shows that it is there": (
        OTHER + "x = load()\nx.cuda()\ny = x.cuda()\n",
        OTHER + "x = load()\nimport accel\nx.to(accel.device())\ny = x.to(accel.device())\n",
    ),
    "in the block of the program": (
        'if __name__ == "__main__":\n    import torch\n    x = torch.ones(1).cuda()\n',
        'if __name__ == "__main__":\n    import torch\n    import accel\n'
        "    x = torch.ones(1).to(accel.device())\n",
    ),
}


@pytest.mark.parametrize("name", PLACED)
def test_it_stands_where_pytorch_is(tmp_path, name):
    old, new = PLACED[name]
    assert fixed_text(tmp_path, old) == new
    assert not fix_in_place(tmp_path).changes


LEFT = {
    "a constant that needs no PyTorch": (
        "try:\n    import torch\nexcept ImportError:\n    torch = None\nDEVICE = 'cuda'\n",
        "can do without PyTorch",
    ),
    "an option that is read before PyTorch is imported": (
        "import argparse, os\ndef main():\n    p = argparse.ArgumentParser()\n"
        "    p.add_argument('--device', default='cuda')\n    a = p.parse_args()\n"
        "    os.environ['CUDA_VISIBLE_DEVICES'] = '1'\n    import torch\n",
        "not imported here",
    ),
    "a constant in front of the environment": (
        "import os\nDEVICE = 'cuda'\nos.environ['CUDA_VISIBLE_DEVICES'] = '1'\nimport torch\n",
        "before PyTorch is imported",
    ),
    "a constant in front of how processes start": (
        "import multiprocessing as mp\nDEVICE = 'cuda'\nmp.set_start_method('spawn')\n"
        "import torch\n",
        "before PyTorch is imported",
    ),
}


@pytest.mark.parametrize("name", LEFT)
def test_else_the_place_is_left_with_the_reason(tmp_path, name):
    text, reason = LEFT[name]
    write_files(tmp_path, {"a.py": text})
    plan = fix_in_place(tmp_path)
    assert (tmp_path / "a.py").read_text(encoding="utf-8") == text
    assert [reason in place.reason for place in plan.left if place.rule == "C003"] == [True]
    assert not (tmp_path / "accel.py").exists()


def test_an_import_of_the_projects_own_brings_pytorch(tmp_path):
    constant = "def f():\n    import torch\nDEVICE = 'cuda'\n"
    files = {"config.py": "from net import Net\n" + constant, "net.py": "import torch\n"}
    write_files(tmp_path, {**files, "bare.py": "import os\n" + constant})
    fix_in_place(tmp_path)
    new = (tmp_path / "config.py").read_text(encoding="utf-8")
    assert new.startswith("from net import Net\nimport accel\n")
    assert new.endswith("\nDEVICE = accel.device()\n")
    assert "accel" not in (tmp_path / "bare.py").read_text(encoding="utf-8")


WITHOUT = """import sys
sys.modules["torch"] = None  # as where it is not installed
import {name}
"""


@pytest.mark.parametrize("name", ["optional", "inside", "typed"])
def test_what_could_be_imported_without_pytorch_still_can(tmp_path, name):
    files = {
        "optional.py": PLACED["in the try that may fail"][0].replace("    import numpy\n", ""),
        "inside.py": PLACED["in the function that imports PyTorch"][0],
        "typed.py": PLACED["for type checkers it is not imported"][0],
    }
    write_files(tmp_path, files)
    assert len(fix_in_place(tmp_path).changes) == 4
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(name=name)], cwd=tmp_path, capture_output=True,
        text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_second_run_uses_the_import_that_is_there(tmp_path):
    text = "def f(x):\n    import torch\n    return x.cuda()\n"
    once = fixed_text(tmp_path, text)
    write_files(tmp_path, {"script.py": once + "\n\ndef g(x):\n    return x.cuda()\n"})
    fix_in_place(tmp_path)
    new = (tmp_path / "script.py").read_text(encoding="utf-8")
    assert new.startswith(once)
    assert new.count("import accel") == 2
    ast.parse(new)
