"""Kernel files at home in packages: each way that public repositories lay them out."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from glia.core.errors import ModelError
from glia.core.progress import NullProgress
from glia.nki.tools.check import check
from glia.nki.tools.compare import How, compare
from glia.nki.tools.files import load_kernels
from glia.nki.tools.launch import prepare
from glia.nki.tools.run import run_kernel
from glia.nki.tools.script import run_script
from glia.nki.tools.surroundings import home_of

SILENT = NullProgress()


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


def kernel(imports: str, inside: str = "pass") -> str:
    text = """
        import nki
        import nki.isa as nisa
        import nki.language as nl
        import numpy as np
        {imports}

        @nki.jit
        def k(x):
            {inside}
            out = nl.ndarray(x.shape, dtype=x.dtype, buffer=nl.shared_hbm)
            tile = nl.load(x)
            nisa.tensor_scalar(tile, tile, op0=nl.multiply, operand0=FACTOR)
            nl.store(out, tile)
            return out

        def k_args():
            return {{"x": np.ones((4, 4), np.float32)}}
        """
    return textwrap.dedent(text).format(imports=imports, inside=inside)


def value(path: Path) -> float:
    _, outputs = run_kernel(prepare(f"{path}:k", ()), SILENT)
    return float(outputs["out0"].max())


def is_checked(path: Path) -> bool:
    return all(one.is_checked and one.ok for one in check(str(path), (), 1, SILENT).kernels)


LAYOUTS = {
    "packages": (
        {"lib/__init__.py": "", "lib/core/__init__.py": "", "lib/shared.py": "FACTOR = 3.0\n"},
        "lib/core/k.py",
        "from ..shared import FACTOR",
        "lib.core.k",
    ),
    "absolute names": (
        {"src/lib/__init__.py": "", "src/lib/shared.py": "FACTOR = 3.0\n"},
        "src/lib/k.py",
        "from lib.shared import FACTOR",
        "lib.k",
    ),
    "namespaces below src": (
        {"src/lib/up.py": "FACTOR = 3.0\n"},
        "src/lib/core/k.py",
        "from ..up import FACTOR",
        "lib.core.k",
    ),
    "namespaces of a project": (
        {"pyproject.toml": "", "lib/shared.py": "FACTOR = 3.0\n"},
        "lib/core/deep/k.py",
        "from ...shared import FACTOR",
        "lib.core.deep.k",
    ),
    "no more than it climbs": (
        {"a/b/shared.py": "FACTOR = 3.0\n"},
        "a/b/k.py",
        "from .shared import FACTOR",
        "b.k",
    ),
    "a folder that is no name": (
        {"my-kernels/lib/shared.py": "FACTOR = 3.0\n"},
        "my-kernels/lib/k.py",
        "from .shared import FACTOR",
        "lib.k",
    ),
    "beside it, in a package": (
        {"lib/__init__.py": "", "lib/shared_here.py": "FACTOR = 3.0\n"},
        "lib/k.py",
        "from shared_here import FACTOR",
        "lib.k",
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_kernel_file_is_a_module_of_its_package(tmp_path, name):
    files, place, imports, dotted = LAYOUTS[name]
    write(tmp_path, {**files, place: kernel(imports)})
    before = dict(sys.modules), list(sys.path)
    path = tmp_path / place
    assert home_of(path).name == dotted
    assert value(path) == 3.0 and is_checked(path)
    ours = set(sys.modules) - set(before[0])
    assert not any(module.split(".")[0] in ("lib", "b", "src", "shared_here") for module in ours)
    assert sys.path == before[1]


def test_imports_inside_a_kernel_find_the_package(tmp_path):
    write(
        tmp_path,
        {
            "lib/__init__.py": "",
            "lib/shared.py": "FACTOR = 5.0\n",
            "lib/k.py": kernel("FACTOR = 1.0", "from .shared import FACTOR"),
        },
    )
    assert value(tmp_path / "lib/k.py") == 5.0


@pytest.mark.parametrize("inside", [False, True])
def test_two_versions_of_a_package_stay_apart(tmp_path, inside):
    imports = "from .shared import FACTOR"
    text = kernel("FACTOR = 1.0", imports) if inside else kernel(imports)
    for version, factor in (("old", 2.0), ("new", 4.0)):
        files = {"__init__.py": "", "shared.py": f"FACTOR = {factor}\n", "k.py": text}
        write(tmp_path / version, {f"lib/{name}": one for name, one in files.items()})
    old, new = (f"{tmp_path / version}/lib/k.py:k" for version in ("old", "new"))
    (found,) = compare(old, new, How(), SILENT).agreement
    assert not found.identical and found.worst_absolute == 2.0


def test_a_package_of_the_name_of_a_module_that_is_loaded_already(tmp_path):
    """`json` is Python's: the folder's answers while its file runs, and Python's after it."""
    import json

    write(tmp_path, {"json/__init__.py": "", "json/f.py": "FACTOR = 7.0\n"})
    write(tmp_path, {"json/k.py": kernel("from .f import FACTOR")})
    assert value(tmp_path / "json/k.py") == 7.0
    assert sys.modules["json"] is json and json.loads("[1]") == [1]


def test_a_broken_package_is_no_matter_to_a_file_that_needs_none_of_it(tmp_path):
    write(tmp_path, {"lib/__init__.py": "import nosuch\n", "lib/k.py": kernel("FACTOR = 2.0")})
    assert value(tmp_path / "lib/k.py") == 2.0
    write(tmp_path, {"lib/f.py": "FACTOR = 2.0\n", "lib/k.py": kernel("from .f import FACTOR")})
    with pytest.raises(ModelError, match=r"No module named 'nosuch', at .*lib/__init__.py:1"):
        load_kernels(tmp_path / "lib/k.py")


def test_a_script_of_a_package_may_import_from_it(tmp_path, capsys):
    write(
        tmp_path,
        {
            "lib/__init__.py": "",
            "lib/f.py": "FACTOR = 7\n",
            "lib/main.py": "import sys\nfrom .f import FACTOR\n"
            "print(__name__, FACTOR, sys.argv[1:])\n",
        },
    )
    assert run_script(tmp_path / "lib/main.py", ["--n"]) == 0
    assert capsys.readouterr().out == "__main__ 7 ['--n']\n"


def test_modules_that_make_attributes_up_are_left_alone(tmp_path):
    made = "import sys, types\nclass M(types.ModuleType):\n    def __getattr__(self, name):\n"
    made += '        return object()\nsys.modules["made_up"] = M("made_up")\nFACTOR = 2.0\n'
    write(tmp_path, {"lib/__init__.py": made, "lib/k.py": kernel("from . import FACTOR")})
    try:
        assert value(tmp_path / "lib/k.py") == 2.0
    finally:
        sys.modules.pop("made_up", None)
