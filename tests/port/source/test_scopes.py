"""Where code stands, and what values evidently are."""

import ast

import pytest

from glia.port.source.dataflow.values import is_array, is_integer_tensor, is_tensor
from glia.port.source.hits import hits
from glia.port.source.module import Module


def mark(code: str) -> tuple[Module, ast.Call]:
    module = Module("m.py", "import torch\nimport numpy as np\nfrom torch import Tensor\n" + code)
    marks = [
        n for n in module.nodes if isinstance(n, ast.Call) and getattr(n.func, "id", "") == "mark"
    ]
    return module, marks[0]


IN = "class M:\n    def forward"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (IN + "(self):\n        mark()", True),
        (IN + "(self):\n        self.a()\n    def a(self):\n        mark()", True),
        ("def a():\n    mark()\n" + IN + "(self):\n        b()\ndef b():\n    a()", True),
        (IN + "(self):\n        f = lambda: mark()", True),
        ("class M:\n    def step(self):\n        mark()", False),
        ("def forward():\n    mark()", False),
        (IN + "(self, x=mark()):\n        pass", False),
        (IN + "(self):\n        other.a()\n    def a(self):\n        mark()", False),
    ],
)  # fmt: skip
def test_in_forward(code: str, expected: bool):
    module, node = mark(code)
    assert module.scopes.in_forward(node) is expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("for i in x:\n    mark()", True),
        ("while x:\n    if y:\n        mark()", True),
        ("y = [mark() for i in x]", True),
        ("for i in x:\n    def f():\n        mark()", False),
        ("mark()", False),
    ],
)
def test_in_loop(code: str, expected: bool):
    module, node = mark(code)
    assert module.scopes.in_loop(node) is expected


@pytest.mark.parametrize(
    ("code", "tensor", "integers", "array"),
    [
        ("mark(torch.zeros(3))", True, False, False),
        ("mark(torch.zeros(3, dtype=torch.long))", True, True, False),
        ("x = torch.randint(0, 9, (3,))\nmark(x)", False, True, False),
        ("def f(x: Tensor):\n    mark(x.sum() > 0)", True, False, False),
        ("def f(x: torch.Tensor):\n    y = x[0]\n    mark(y.mean())", True, False, False),
        ("def f(x):\n    mark(x)", False, False, False),
        ("x = torch.ones(2)\ndef f(x):\n    x = 3\n    mark(x)", False, False, False),
        ("x = np.zeros(3)\nmark(x.sum())", False, False, True),
        ("mark(torch.ones(2).numpy())", False, False, True),
        ("mark(torch.cuda.device_count())", False, False, False),
        ("mark(torch.ones(2) is None)", False, False, False),
        ("x = 1\nx = x + x\nmark(x)", False, False, False),
        ("mark(not torch.ones(2))", False, False, False),
    ],
)
def test_values(code: str, tensor: bool, integers: bool, array: bool):
    module, node = mark(code)
    (value,) = node.args
    assert is_tensor(module, value) is (tensor or "randint" in code)
    assert is_integer_tensor(module, value) is integers
    assert is_array(module, value) is array


def test_places_beside_names_and_texts():
    code = (
        "def f(a, b=1, *, c=True):\n"
        "    self.d = {'e': 2}\n"
        "    y[0] = x[1] @ w\n"
        "    while x:\n"
        "        assert y if z else 0\n"
    )
    found = [(h.kind, h.key) for h in hits(Module("m.py", code))]
    for place in [
        ("setting", "b"), ("setting", "c"), ("setting", "d"), ("setting", "e"),
        ("index", "load"), ("index", "store"), ("operator", "@"),
        ("test", "while"), ("test", "assert"), ("test", "if"),
    ]:  # fmt: skip
        assert found.count(place) == 1, place
    assert ("setting", "a") not in found


def test_many_assignments_take_no_longer():
    code = "".join(f"    x = x.a(x) + x[{i}]\n" for i in range(300))
    module, node = mark(f"def f(x):\n{code}    mark(x)")
    assert not is_tensor(module, node.args[0])
    assert not is_array(module, node.args[0])
