"""The helper's name stands for the helper alone: in a package, and where all names are taken."""

import pytest

from port.fix.fixing import fix_in_place, write_files
from port.fix.test_one_helper import start

USE = "import torch\n\n\ndef go():\n    torch.ones(1).cuda()\n    return 'ok'\n"
TOP = USE + "\n\nx = torch.ones(1).cuda()\n"
STUB = (
    "class cuda:\n    device_count = staticmethod(lambda: 0)\n\n\n"
    "class ones:\n    def __init__(self, *a):\n        pass\n\n"
    "    def to(self, *a, **k):\n        return self\n\n    cuda = to\n\n\n"
    "def device(*a):\n    return a[0]\n\n\n"
    "class backends:\n    class mps:\n        is_available = staticmethod(lambda: False)\n"
)
GETATTR = "def __getattr__(name):\n    {}\n"
LAZY = "if name == 'accel':\n        return 'lazy'\n    raise AttributeError(name)"
CALL = "from pk.core import go\nprint(go())\n"

PACKAGES = {
    "binds the name": {"pk/__init__.py": "accel = 'text'\n", "run.py": CALL},
    "imports the name": {
        "pk/__init__.py": "from .other import accel\n", "pk/other.py": "accel = 1\n",
        "run.py": CALL,
    },
    "imports all names": {
        "pk/__init__.py": "from .other import *\n", "pk/other.py": "def accel():\n    pass\n",
        "run.py": CALL,
    },
    "imports under the name": {"pk/__init__.py": "import sys as accel\n", "run.py": CALL},
    "answers to the name": {"pk/__init__.py": GETATTR.format(LAZY), "run.py": CALL},
    "a package above": {
        "pk/__init__.py": "", "pk/in_/__init__.py": "class accel:\n    pass\n",
        "pk/in_/core.py": USE, "run.py": "from pk.in_.core import go\nprint(go())\n",
    },
}  # fmt: skip


def _started(folder):
    done = start(folder, "run.py", STUB)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_that_has_the_name_keeps_it(tmp_path, name):
    folder = write_files(tmp_path / "project", {"pk/core.py": USE, **PACKAGES[name]})
    before = _started(folder)
    assert fix_in_place(folder).changes
    assert _started(folder) == before == "ok\n"
    assert not list(folder.rglob("accel.py")) and list(folder.rglob("accel_device.py"))
    assert not fix_in_place(folder).changes


@pytest.mark.parametrize(
    ("body", "is_there"),
    [("return 1", False), ("raise AttributeError(name)", True), ("return getattr(re, name)", True)],
)
def test_a_package_that_answers_to_every_name_holds_no_helper(tmp_path, body, is_there):
    init = "import re\n" + GETATTR.format(body)
    folder = write_files(
        tmp_path / "project", {"pk/__init__.py": init, "pk/core.py": USE, "run.py": CALL}
    )
    fix_in_place(folder)
    assert (folder / "pk/accel.py").exists() == is_there
    assert _started(folder) == "ok\n"


SPREAD = {
    "over a name of its own": {
        "lib.py": TOP, "run.py": "accel = 2.5\nfrom lib import *\nprint(accel * 2)\n",
    },
    "of a package": {
        "lib/__init__.py": "from .core import go\n", "lib/core.py": TOP,
        "run.py": "accel = 2.5\nfrom lib import *\nprint(accel * 2)\n",
    },
    "all names": {
        "lib.py": TOP,
        "run.py": "from lib import *\nprint(sorted(n for n in dir() if n[0] != '_'))\n",
    },
    "over two files": {
        "lib.py": TOP, "mid.py": "from lib import *\n",
        "run.py": "from mid import *\nprint(sorted(n for n in dir() if n[0] != '_'))\n",
    },
    "with dots": {
        "p/__init__.py": "", "p/lib.py": TOP, "p/mid.py": "from .lib import *\n",
        "run.py": "import p.mid as m\nprint(sorted(n for n in dir(m) if n[0] != '_'))\n",
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SPREAD)
def test_the_helper_is_no_name_that_others_take_with_all(tmp_path, name):
    folder = write_files(tmp_path / "project", SPREAD[name])
    before = _started(folder)
    assert fix_in_place(folder).changes
    assert _started(folder) == before
    assert not fix_in_place(folder).changes


def test_a_file_that_says_which_names_it_gives_imports_the_helper_as_usual(tmp_path):
    files = {"lib.py": "__all__ = ['go']\n" + TOP, "run.py": "from lib import *\n"}
    write_files(tmp_path, files)
    fix_in_place(tmp_path)
    assert "\nimport accel\n" in (tmp_path / "lib.py").read_text("utf-8")
