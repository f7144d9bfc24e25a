"""Names and texts are followed as far as reading can tell, and no further."""

import ast

import pytest

from glia.port.source.conditions.guards import guard_of
from glia.port.source.hits import hits
from glia.port.source.module import Module


def uses(code: str) -> list[str]:
    return [hit.key for hit in hits(Module("m.py", code)) if hit.kind == "use"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import torch\ntorch.cuda.synchronize()", "torch.cuda.synchronize"),
        ("from torch import cuda as c\nc.synchronize()", "torch.cuda.synchronize"),
        ("import torch.cuda as c\nc.synchronize()", "torch.cuda.synchronize"),
        ("import torch\nc = torch.cuda\nc.synchronize()", "torch.cuda.synchronize"),
        ("from torch.cuda import synchronize as wait\nwait()", "torch.cuda.synchronize"),
    ],
)
def test_aliases(code: str, expected: str):
    assert expected in uses(code)


@pytest.mark.parametrize(
    "code",
    [
        "torch = load()\ntorch.cuda.synchronize()",
        "from numba import cuda\ncuda.synchronize()",
        "from .torch import cuda\ncuda.synchronize()",
        "x.torch.cuda.synchronize()",
    ],
)
def test_other_peoples_names(code: str):
    assert "torch.cuda.synchronize" not in uses(code)


def test_texts():
    code = 'dev = "cuda"\na(dev)\nb(f"cuda:{rank}")\n"""cuda"""\nc = "a" if x else "b"\n'
    module = Module("m.py", code)
    calls = [n for n in ast.walk(module.tree) if isinstance(n, ast.Call)]
    assert [module.string(c.args[0]) for c in calls] == ["cuda", "cuda:*"]
    assert [h.key for h in hits(module) if h.kind == "string"] == ["cuda", "cuda:*", "a", "b"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("if torch.cuda.is_available():\n    mark()", "cuda"),
        ("ok = torch.cuda.is_available()\nif ok:\n    mark()", "cuda"),
        ("if not torch.cuda.is_available():\n    pass\nelse:\n    mark()", "cuda"),
        ("if torch.cuda.is_available():\n    pass\nelse:\n    mark()", ""),
        ("x = mark() if torch.cuda.device_count() > 1 else 0", "cuda"),
        ("if d.type == 'cuda' and deep:\n    mark()", "cuda"),
        ("if d.type == 'cuda' or deep:\n    mark()", ""),
        ("if d.type != 'cuda':\n    mark()", ""),
        ("y = torch.cuda.is_available() and mark()", "cuda"),
        ("try:\n    mark()\nexcept ImportError:\n    pass", "import"),
        ("try:\n    pass\nexcept ImportError:\n    mark()", ""),
        ("try:\n    mark()\nexcept KeyError:\n    pass", ""),
        ("if TYPE_CHECKING:\n    mark()", "typing"),
        ("self.gpu = torch.cuda.is_available()\nif self.gpu:\n    mark()", "cuda"),
        ("a.gpu = not a.no and torch.cuda.is_available()\nif a.gpu and x:\n    mark()", "cuda"),
        ("a.gpu = x\na.gpu = torch.cuda.is_available()\nif a.gpu:\n    mark()", ""),
        ("if is_xformers_available():\n    mark()", "import"),
        ("if is_xformers_available():\n    pass\nelse:\n    mark()", ""),
        ("if u.find_spec('apex') is not None:\n    mark()", "import"),
        ("if HAS_TRITON and x:\n    mark()", "import"),
        ("if is_ready():\n    mark()", ""),
        ("mark()", ""),
    ],
)
def test_guards(code: str, expected: str):
    module = Module("m.py", "import torch\n" + code)
    marks = [n for n in module.nodes if isinstance(n, ast.Call) and ast.unparse(n) == "mark()"]
    assert guard_of(module, marks[0]) == expected
