"""Names that nothing binds, and attributes that tensors lack: what is found, what let pass."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from glia.nki.subset import check_source
from glia.nki.subset.scopes import unbound

HEAD = "import nki\nimport nki.isa as nisa\nimport nki.language as nl\n\n\n"
KERNEL = HEAD + "@nki.jit\ndef k(x, n=3):\n"
TILE = "t = nl.ndarray((128, 4), dtype=nl.float32, buffer=nl.sbuf)"


def found(tmp_path: Path, *lines: str, before: str = "") -> list[str]:
    path = tmp_path / "k.py"
    path.write_text(before + KERNEL + "".join(f"    {line}\n" for line in lines))
    (kernel,) = check_source(path)
    names = ("undefined-name", "unknown-attribute")
    return [f"{f.rule} {f.what.split('`')[1]}" for f in kernel.findings if f.rule in names]


WRONG = {
    "a name": (["return rows"], "undefined-name rows"),
    "in a call": (["nisa.dma_copy(dst=x, src=other)"], "undefined-name other"),
    "in an inner function": (["def f(i):", "    return j", "return f"], "undefined-name j"),
    "of a comprehension, after it": (["a = [i for i in range(n)]", "return i"],
                                     "undefined-name i"),
    "a method": ([TILE, "t.frobnicate()"], "unknown-attribute t.frobnicate"),
    "of a view": ([TILE, "u = t.reshape((128, 2, 2))", "u[0].T"], "unknown-attribute u[0].T"),
    "of what a function gives": (["nl.load(x).mean()"], "unknown-attribute nl.load(x).mean"),
    "of an operand": (["nisa.dma_copy(dst=x, src=x)", "x.size_"], "unknown-attribute x.size_"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_is_found(tmp_path: Path, name: str):
    lines, expected = WRONG[name]
    assert found(tmp_path, *lines) == [expected]


RIGHT = {
    "bound later, in another branch": ["if n:", "    a = 1", "else:", "    a = 2", "return a"],
    "a comprehension in its own scope": ["return [i + j for i in range(n) for j in range(i)]"],
    "a walrus": ["b = [(m := i) for i in range(n)]", "return m"],
    "an inner function": ["def f(i, *more, k=n, **rest):", "    return i, more, k, rest, x",
                          "return f"],
    "itself and built in": ["return k, len, print, ValueError, __name__"],
    "for, with, import": ["for a, (b, *c) in []:", "    pass", "with x as d:", "    pass",
                          "import math as e", "return a, b, c, d, e"],
    "an annotation": ["a: Whatever = 3", "return a"],
    "any parameter": ["return n.anything, x.anything"],
    "a name that was something else": [TILE, "t = n", "t.anything"],
    "a name of a loop": [TILE, "for t in n:", "    t.anything"],
    "what tensors have": [TILE, "return t.shape, t.dtype, t.buffer, t.ap, t.name, t[0].permute"],
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_is_let_pass(tmp_path: Path, name: str):
    assert found(tmp_path, *RIGHT[name]) == []


@pytest.mark.parametrize(
    "before", ["from m import *\n", "globals()['rows'] = 3\n", "exec('rows = 3')\n", "rows = 3\n",
               "def f():\n    global rows\n    rows = 3\n\n\n",
               "try:\n    import rows\nexcept ImportError:\n    pass\n"],
)  # fmt: skip
def test_names_that_the_file_makes(tmp_path: Path, before: str):
    assert found(tmp_path, "return rows", before=before) == []


def test_classes_hide_their_names_from_their_methods():
    tree = ast.parse("class C:\n    a = 1\n    b = [a for _ in 'x']\n    def f(self):\n"
                     "        return a, __class__, C\n")  # fmt: skip
    assert unbound(tree) == {(5, 16)}
