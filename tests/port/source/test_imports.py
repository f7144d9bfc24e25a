"""Who cannot be imported without whom, by reading lines."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from glia.port.source.files.imports import dependents, eager_imports


def test_what_stands_at_the_margin_runs():
    text = (
        "import a, b.c as d  # e\nfrom .f import g, h as i\n"
        "from . import (\n    j,  # k\n    l,\n)\n"
        "from m import *\ntry:\n    import n\nexcept ImportError:\n    pass\n"
        "def o():\n    from p import q\nif r:\n    import s\nimportant = 1\n"
    )
    assert eager_imports(text) == ("a", "b.c", ".f.g", ".f.h", ".j", ".l", "m.*")


FILES = {
    "pkg/__init__.py": "from .model import GPT\n",
    "pkg/model.py": "from pkg.ops import kernel\n",
    "pkg/ops/__init__.py": "",
    "pkg/ops/kernel.py": "import triton\n",
    "pkg/other.py": "def f():\n    from .ops import kernel\n",
    "train.py": "from pkg.other import f\n",
    "plot.py": "import matplotlib\nimport kernel_density\n",
    "lazy.py": "try:\n    import pkg\nexcept ImportError:\n    pkg = None\n",
}


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        # A package's own file runs before each of its modules, so all of pkg needs the kernel.
        ("pkg/ops/kernel.py", {"pkg/ops/kernel.py", "pkg/model.py", "pkg/__init__.py",
                               "pkg/ops/__init__.py", "pkg/other.py", "train.py"}),
        ("plot.py", {"plot.py"}),
        ("train.py", {"train.py"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("root", ["", "src/", "/a/b/c/d/e/f/"])
def test_dependents(of: str, expected: set[str], root: str):
    imports = {PurePath(root + name): eager_imports(text) for name, text in FILES.items()}
    found = dependents(imports, [PurePath(root + of)])
    assert {str(path).removeprefix(root) for path in found} == expected


def test_circles_end():
    imports = {PurePath("a.py"): ("b",), PurePath("b.py"): ("a",)}
    assert dependents(imports, [PurePath("a.py")]) == set(imports)
