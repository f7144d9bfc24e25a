"""The quick walk visits what `ast.walk` visits, but for what holds no node."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from glia.port.source.names.tree import collect, inside

PASSED_OVER = (ast.expr_context, ast.operator, ast.boolop, ast.unaryop, ast.cmpop)
FILES = sorted((Path(__file__).parents[3] / "src" / "glia" / "port").glob("*.py"))
ODD = """
async def f(a, /, b: int = 1, *c, d=2, **e) -> None:
    global g, h
    async with x as y, z: pass
    async for i in j: await k
    async def n(): nonlocal a; yield from o
    return [p async for p in q if r if s], {t: u for t in v}, {**w}, lambda: (yield)
match m:
    case {"a": 1, **rest}: pass
    case P(q, r=s) | [_, *t] | None | True | -1: pass
    case str() as u if v: pass
try: pass
except* (A, B) as error: raise C from error
else: del x.y, z[1:2, ...]
finally: assert a, f"{b!r:>{c}} d"
x: int
y: list[int] = (not a) + ~b if c < d <= e else (f := g) @ h
@decorate(1, *a, **b)
class K(L, metaclass=M): pass
import a.b as c, d
from .e import (f as g, h)
"""


@pytest.mark.parametrize("text", [ODD, *(f.read_text() for f in FILES)], ids=range(len(FILES) + 1))
def test_the_same_nodes_and_parents(text: str):
    tree = ast.parse(text)
    expected = [n for n in ast.walk(tree) if not isinstance(n, PASSED_OVER)]
    nodes, parents = collect(tree)
    assert set(map(id, nodes)) == set(map(id, expected)) == set(map(id, inside(tree)))
    assert len(nodes) == len(expected)
    above = {child: node for node in expected for child in ast.iter_child_nodes(node)}
    assert parents == {c: n for c, n in above.items() if not isinstance(c, PASSED_OVER)}


def test_reading_order():
    nodes, _ = collect(ast.parse("a(b, c=d)\nif e:\n    f[g]\nelse:\n    h.i\n"))
    assert [n.id for n in nodes if isinstance(n, ast.Name)] == list("abdefgh")
