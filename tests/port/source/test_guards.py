"""What protects a place: forms that `tests/port/labelled/guards` has not, and what follows names
through a file and from one file to another."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest

from glia.port.project_check import check_project
from glia.port.source.conditions.guards import asks_for_cuda, guard_of
from glia.port.source.module import Module
from glia.port.targets import target_named

YES = "torch.cuda.is_available()"


def guard(code: str) -> str:
    module = Module("m.py", "import torch\n" + code.replace("YES", YES))
    marks = [n for n in module.nodes if isinstance(n, ast.Call) and ast.unparse(n) == "mark()"]
    return guard_of(module, marks[-1])


@pytest.mark.parametrize(
    ("test", "holds"),
    [
        ("YES == True", True), ("YES != False", True), ("YES is not None", False),
        ("YES & deep", True), ("YES | deep", False), ("all([YES, deep])", True),
        ("any((YES, deep))", False), ("not (not YES or deep)", True), ("YES if YES else a", False),
        ("YES if a else False", True), ("torch.cuda.device_count() != 0", True),
        ("torch.cuda.device_count() < 8", False), ("torch.cuda.device_count() > rank", True),
        ("d == torch.device('cuda')", True), ("d.type in ['cuda', 'xpu']", True),
        ("d.type not in ('cuda',)", False), ("d.startswith('cpu')", False),
        ("torch.version.cuda", True), ("torch.version.cuda is None", False),
        ("torch.version.cuda >= '12'", True), ("torch.backends.cuda.is_built()", False),
        ("shutil.which('nvidia-smi')", True), ("shutil.which('gcc')", False),
        ("False and YES", False), ("torch.cuda.is_available", False), ("await YES", True),
    ],
)  # fmt: skip
def test_conditions(test: str, holds: bool):
    module = Module("m.py", "import torch\nasync def f():\n    " + test.replace("YES", YES))
    expression = next(n for n in module.nodes if isinstance(n, ast.Expr)).value
    assert asks_for_cuda(module, expression) == holds


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        # What is certain before a place replaces what was given earlier; what loops back does not.
        ("ok = True\nok = YES\nif ok:\n    mark()", "cuda"),
        ("ok = YES\nif ok:\n    mark()\nok = True", "cuda"),
        ("ok = True\nif a:\n    ok = YES\nif ok:\n    mark()", ""),
        ("def f(ok):\n    ok = ok and YES\n    if ok:\n        mark()", "cuda"),
        ("def f(ok=YES):\n    if ok:\n        mark()", "cuda"),
        ("def f(ok=YES):\n    if ok:\n        mark()\nf(ok=True)", ""),
        ("def g():\n    ok = YES\ndef f(ok):\n    if ok:\n        mark()", ""),
        ("ok = YES\ndef g():\n    global ok\n    ok = True\ndef f():\n    if ok:\n        mark()",
         ""),
        ("a, ok = 1, YES\nif ok:\n    mark()", "cuda"),
        ("ok, a = two()\nif ok:\n    mark()", ""),
        ("with a as ok:\n    if ok:\n        mark()", ""),
        ("args.cuda = args.cuda and YES\nif args.cuda:\n    mark()", "cuda"),
        ("p.add_argument('--gpu', default=YES)\nif args.gpu:\n    mark()", "cuda"),
        ("class C:\n    fast = YES\n    def f(self):\n        if self.fast:\n            mark()",
         "cuda"),
        ("cfg = {'gpu': YES}\ncfg['gpu'] = True\nif cfg['gpu']:\n    mark()", ""),
        ("def ok():\n    yield YES\nif ok():\n    mark()", ""),
        ("def ok():\n    return ok()\nif ok():\n    mark()", ""),
        ("def no():\n    if YES:\n        return False\n    return True\nif not no():\n    mark()",
         "cuda"),
        ("ok = lambda: YES\nif ok():\n    mark()", "cuda"),
        ("DEBUG = False\nif DEBUG:\n    mark()", ""),
        ("if False:\n    mark()", "typing"),
        # Blocks that are left.
        ("def f():\n    if a:\n        return\n    elif not YES:\n        return\n    mark()",
         "cuda"),
        ("def f():\n    if not YES:\n        if a:\n            return\n    mark()", ""),
        ("def f():\n    try:\n        pass\n    finally:\n        if not YES:\n            return\n"
         "        mark()", "cuda"),
        ("for a in b:\n    if not YES:\n        break\nmark()", ""),
        # Packages that every machine has protect nothing.
        ("if is_torch_available():\n    mark()", ""),
        ("if HAS_TORCH:\n    mark()", ""),
        ("if is_torch_cuda_available():\n    mark()", "cuda"),
        ("def f(HAS_BIAS):\n    if HAS_BIAS:\n        mark()", ""),
        ("try:\n    import apex\nexcept ImportError:\n    apex = None\nif apex:\n    mark()",
         "import"),
        ("try:\n    import apex\nexcept ImportError:\n    pass\nelse:\n    mark()", "import"),
        # Failures that are caught.
        ("try:\n    mark()\nexcept Exception:\n    pass", "caught"),
        ("try:\n    mark()\n    more()\nexcept Exception:\n    pass", ""),
        ("try:\n    mark()\nexcept RuntimeError:\n    pass", ""),
        ("try:\n    mark()\nexcept AssertionError:\n    a()\nexcept RuntimeError:\n    b()",
         "caught"),
        ("try:\n    mark()\nexcept Exception:\n    exit(1)", ""),
        ("try:\n    def f():\n        mark()\nexcept Exception:\n    pass", ""),
        # Tests.
        ("import pytest\npytestmark = pytest.mark.skipif(not YES, reason='')\nmark()", "cuda"),
        ("import pytest\npytestmark = [pytest.mark.slow]\nmark()", ""),
        ("import pytest\na = pytest.param(mark(), marks=pytest.mark.skipif(not YES))", "cuda"),
        ("import pytest\n@pytest.mark.skipif(YES, reason='')\ndef f():\n    mark()", ""),
        ("if not YES:\n    assert a\nelse:\n    assert mark()", "cuda"),
    ],
)  # fmt: skip
def test_places(code: str, expected: str):
    assert guard(code) == expected


def test_names_that_lead_to_each_other_are_followed_once():
    lines = [f"a.x{i} = a.x{(i + 1) % 40} or a.x{(i + 7) % 40} or a.x{i}" for i in range(40)]
    start = time.process_time()
    assert guard("\n".join([*lines, "if a.x0 and a.x1:", "    mark()"])) == ""
    assert time.process_time() - start < 2.0


ENV = f"import torch\nHAS_GPU = {YES}\n\n\ndef has_gpu():\n    return {YES}\n"
USE = "    import torch\n    torch.cuda.synchronize()\n"


@pytest.mark.parametrize(
    ("files", "weighs"),
    [
        ({"env.py": ENV, "a.py": f"from env import has_gpu\nif has_gpu():\n{USE}"}, False),
        ({"env.py": ENV, "a.py": f"from env import has_gpu\nif has_gpu:\n{USE}"}, True),
        ({"env.py": ENV, "a.py": f"from env import *\nif HAS_GPU:\n{USE}"}, False),
        ({"p/env.py": ENV, "p/b/a.py": f"from ..env import HAS_GPU\nif HAS_GPU:\n{USE}"}, False),
        (
            {
                "src/p/env.py": ENV, "src/p/__init__.py": "from .env import has_gpu as on_gpu\n",
                "jobs/a.py": f"import p\nif p.on_gpu():\n{USE}",
            },
            False,
        ),
        (  # files that ask each other
            {
                "env.py": "from a import ok\ndef has_gpu():\n    return ok()\n",
                "a.py": "from env import has_gpu\n"
                f"def ok():\n    return has_gpu()\nif ok():\n{USE}",
            },
            True,
        ),
        ({"env.py": "class (", "a.py": f"from env import has_gpu\nif has_gpu():\n{USE}"}, True),
        ({"a.py": f"from env import has_gpu\nif has_gpu():\n{USE}"}, True),
    ],
)  # fmt: skip
def test_other_files_are_asked(files: dict[str, str], weighs: bool, tmp_path: Path):
    for name, code in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)
    asking = next(tmp_path / name for name in files if name.endswith("a.py"))
    for root in (tmp_path, asking):  # a file by itself asks its neighbours too
        found = check_project(root, [target_named("trn2")]).findings
        assert [f.weighs for f in found if f.rule == "C016"] == [weighs]


def test_a_long_file_is_read_in_a_time_that_grows_with_its_lines(tmp_path: Path):
    def seconds(lines: int) -> float:
        (tmp_path / "long.py").write_text(
            "import torch\nx = torch.ones(2)\n" + "x = x.cuda()\n" * lines
        )
        start = time.process_time()
        check_project(tmp_path / "long.py", [target_named("trn2")])
        return time.process_time() - start

    seconds(10)  # what is made once
    assert seconds(16_000) < 12 * seconds(4_000)  # four times the lines; by square, 16 times
