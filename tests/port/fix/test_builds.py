"""What is built finds its helper in the build, or is left with the line that would add it."""

import subprocess
import sys

import pytest

from port.fix.fixing import fix_in_place, write_files
from port.fix.test_names import STUB
from port.fix.test_one_helper import start

USE = "import torch\n\n\ndef go():\n    torch.cuda.empty_cache()\n    return 'ok'\n"
SYSTEM = '[build-system]\nbuild-backend = "{}"\n'
PROJECT = '[project]\nname = "mm"\nversion = "0.1"\n'
SETUPTOOLS = SYSTEM.format("setuptools.build_meta") + PROJECT
HATCH = SYSTEM.format("hatchling.build") + PROJECT
POETRY = SYSTEM.format("poetry.core.masonry.api") + '[tool.poetry]\nname = "mm"\n'
FLIT = SYSTEM.format("flit_core.buildapi") + PROJECT
WHEEL = "[tool.hatch.build.targets.wheel]\n"
LISTED = SETUPTOOLS + "[tool.setuptools]\npy-modules = ['mm'{}]\n"

NOT_BUILT = {
    "modules by name": ({"pyproject.toml": LISTED.format(""), "mm.py": USE},
                        'add "accel" to py-modules in pyproject.toml'),
    "in setup.cfg": ({"setup.cfg": "[options]\npy_modules =\n    mm\n    other\n", "mm.py": USE},
                     'add "accel" to py_modules in setup.cfg'),
    "in setup.py": ({"setup.py": "from setuptools import setup\nsetup(py_modules=['mm'])\n",
                     "mm.py": USE}, 'add "accel" to py_modules in setup.py'),
    "below another folder": (
        {"setup.py": "import setuptools\nsetuptools.setup(py_modules=['mm'], "
         "package_dir={'': 'lib'})\n", "lib/mm.py": USE}, 'add "accel" to py_modules',
    ),
    "a single module": ({"pyproject.toml": SETUPTOOLS, "mm.py": USE},
                        'py-modules = ["mm", "accel"]'),
    "hatch": ({"pyproject.toml": HATCH + WHEEL + "include = ['/mm.py']\n", "mm.py": USE},
              'add "accel.py" to include'),
    "hatch by name": ({"pyproject.toml": HATCH, "mm.py": USE}, 'include = ["mm.py", "accel.py"]'),
    "poetry": ({"pyproject.toml": POETRY + "packages = [{include = 'mm.py'}]\n", "mm.py": USE},
               'add {include = "accel.py"} to packages'),
    "poetry by name": ({"pyproject.toml": POETRY, "mm.py": USE},
                       '[{include = "mm.py"}, {include = "accel.py"}]'),
    "flit": ({"pyproject.toml": FLIT, "mm.py": USE}, "make this a package"),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_BUILT)
def test_a_module_whose_build_takes_no_helper_is_left(tmp_path, name):
    files, advice = NOT_BUILT[name]
    write_files(tmp_path, files)
    plan = fix_in_place(tmp_path)
    assert not plan.changes
    assert [advice in place.reason for place in plan.left] == [True], plan.left


BUILT = {
    "the helper is listed": ({"pyproject.toml": LISTED.format(", 'accel'"), "mm.py": USE},
                             "accel.py"),
    "a package": ({"pyproject.toml": SETUPTOOLS, "mm/__init__.py": "", "mm/a.py": USE},
                  "mm/accel.py"),
    "packages by name": (
        {"setup.py": "from setuptools import setup\nsetup(packages=['pk', 'pk.sub'])\n",
         "pk/__init__.py": "", "pk/sub/__init__.py": "", "pk/sub/a.py": USE}, "pk/accel.py",
    ),
    "a part of a package": (
        {"setup.py": "from setuptools import setup\nsetup(packages=['pk.sub'])\n",
         "pk/__init__.py": "", "pk/sub/__init__.py": "", "pk/sub/a.py": USE}, "pk/sub/accel.py",
    ),
    "packages that are found": (
        {"setup.py": "from setuptools import *\nsetup(packages=find_packages())\n",
         "pk/__init__.py": "", "pk/a.py": USE}, "pk/accel.py",
    ),
    "src": ({"pyproject.toml": SETUPTOOLS, "src/mm/__init__.py": "", "src/mm/a.py": USE},
            "src/mm/accel.py"),
    "hatch": ({"pyproject.toml": HATCH + WHEEL + "packages = ['src/mm']\n",
               "src/mm/__init__.py": "", "src/mm/a.py": USE}, "src/mm/accel.py"),
    "patterns": ({"pyproject.toml": HATCH + WHEEL + "include = ['*.py']\n", "mm.py": USE},
                 "accel.py"),
    "poetry": ({"pyproject.toml": POETRY + "packages = [{include = 'mm', from = 'src'}]\n",
                "src/mm/__init__.py": "", "src/mm/a.py": USE}, "src/mm/accel.py"),
    "flit": ({"pyproject.toml": FLIT, "mm/__init__.py": "", "mm/a.py": USE}, "mm/accel.py"),
    "a script beside what is built": (
        {"pyproject.toml": LISTED.format(""), "mm.py": "x = 1\n", "train.py": USE}, "accel.py",
    ),
    "a module that imports a package": (
        {"setup.py": "from setuptools import setup\nsetup(py_modules=['mm'], packages=['pk'])\n",
         "pk/__init__.py": "", "pk/a.py": "x = 1\n", "mm.py": "import pk.a\n" + USE},
        "pk/accel.py",
    ),
    "settings of other tools": ({"pyproject.toml": "[tool.ruff]\n", "mm.py": USE}, "accel.py"),
    "a build that is not read": (
        {"setup.py": "from setuptools import setup\nsetup(**found)\n", "mm.py": USE}, "accel.py",
    ),
    "settings that are no TOML": ({"pyproject.toml": "[", "mm.py": USE}, "accel.py"),
}  # fmt: skip


@pytest.mark.parametrize("name", BUILT)
def test_the_helper_stands_where_the_build_takes_it(tmp_path, name):
    files, helper = BUILT[name]
    write_files(tmp_path, files)
    plan = fix_in_place(tmp_path)
    assert not plan.left
    assert [str(p.relative_to(tmp_path)) for p in tmp_path.rglob("accel.py")] == [helper]


@pytest.mark.parametrize(
    ("files", "module"),
    [
        ({"pyproject.toml": LISTED.format(", 'accel'"), "mm.py": USE}, "mm"),
        ({"setup.py": "from setuptools import setup\nsetup(packages=['pk.sub'])\n",
          "pk/__init__.py": "", "pk/sub/__init__.py": "", "pk/sub/a.py": USE}, "pk.sub.a"),
        ({"setup.cfg": "[options]\npackages = find:\n", "pk/__init__.py": "", "pk/a.py": USE},
         "pk.a"),
    ],
)  # fmt: skip
def test_what_setuptools_builds_runs(tmp_path, files, module):
    folder = write_files(tmp_path / "project", files)
    assert fix_in_place(folder).changes
    command = [sys.executable, "-c", "import setuptools; setuptools.setup()"]
    command += ["-q", "build_py", "-d", str(tmp_path / "built")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    built = write_files(tmp_path / "built", {"run.py": f"import {module} as m\nprint(m.go())\n"})
    done = start(built, "run.py", STUB)
    assert done.stdout == "ok\n", done.stderr
