"""Expressions that the compiler refuses inside kernels."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping

from glia.nki.subset.rule import Hit, Rule, Scope, Severity
from glia.nki.subset.sources import CONSTRAINT, GUIDE, MIGRATION, PARSER
from glia.nki.subset.statements import example, is_a

_FOLDS: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
}
_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1


def _identity(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.Compare):
        for op, other in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, (ast.Is, ast.IsNot)):
                # The guidance forbids every `is`; the front end takes it beside None, and the
                # vendor's own kernels rely on that.
                with_none = isinstance(other, ast.Constant) and other.value is None
                severity: Severity = "warning" if with_none else "error"
                yield Hit(node, f"`{ast.unparse(node)}`", severity)


def _large_int(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    # Of `2**40 + 1` only `2**40` is named.
    if not _fits(node) and all(_fits(part) for part in _parts(node)):
        yield Hit(node, f"the integer {ast.unparse(node)}")


def _fits(node: ast.AST) -> bool:
    value = _constant(node)
    return value is None or _INT_MIN <= value <= _INT_MAX


def _parts(node: ast.AST) -> tuple[ast.AST, ...]:
    if isinstance(node, ast.UnaryOp):
        return (node.operand,)
    return (node.left, node.right) if isinstance(node, ast.BinOp) else ()


def _constant(node: ast.AST) -> int | None:
    """The value of an integer constant, or of an operation on two of them."""
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _constant(node.operand)
        return None if inner is None else -inner
    if not isinstance(node, ast.BinOp):
        return None
    left, right = _constant(node.left), _constant(node.right)
    known = _FOLDS.get(type(node.op))
    if left is None or right is None or known is None or not 0 <= right < 2**31:
        return None
    if isinstance(node.op, (ast.Pow, ast.LShift)) and (right > 128 or abs(left) > 2**64):
        return None
    return known(left, right)


def _other_constant(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.Constant) and isinstance(node.value, (complex, bytes)):
        yield Hit(node, f"`{node.value!r}`")


def _dict_key(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.Dict):
        for key in node.keys:
            is_text = isinstance(key, ast.Constant) and isinstance(key.value, str)
            if not is_text:
                words = "`**` in a dict" if key is None else f"`{ast.unparse(key)}` as a key"
                yield Hit(key or node, words)


def _expansion(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.Starred):
        yield Hit(node, f"`{ast.unparse(node)}`")
    elif isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg is None:
                yield Hit(keyword.value, f"`**{ast.unparse(keyword.value)}`")


def _format_spec(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
        yield Hit(node, f"`{ast.unparse(node.format_spec)}` after the colon in an f-string")


def _matmul(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.MatMult):
        yield Hit(node)


def _numpy(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    foreign = ("numpy", "torch", "jax", "jax.numpy")
    named = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    if named and scope.module(node.value.id) in foreign:  # type: ignore[attr-defined]
        yield Hit(node, f"`{ast.unparse(node)}`")


EXPRESSIONS = (
    Rule(
        "identity",
        "error",
        "`is` or `is not`",
        "use == or !=",
        f"{CONSTRAINT}; {PARSER}",
        _identity,
        example("if n is True:\n    n = 3"),
        example("if n == True:\n    n = 3"),
    ),
    Rule(
        "comprehension",
        "error",
        "a comprehension or generator",
        "write a for loop that appends to a list",
        PARSER,
        is_a(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
        example("sizes = [i * 2 for i in range(n)]"),
        example("sizes = []\nfor i in range(n):\n    sizes.append(i * 2)"),
    ),
    Rule(
        "lambda",
        "error",
        "a lambda",
        "define a function at the top of the file",
        PARSER,
        is_a(ast.Lambda),
        example("f = lambda m: m + 1"),
        example("f = add_one", before="def add_one(m):\n    return m + 1\n"),
    ),
    Rule(
        "generator",
        "error",
        "`yield` or `await`",
        "return a list",
        PARSER,
        is_a(ast.Yield, ast.YieldFrom, ast.Await),
        example("helper(n)", before="def helper(m):\n    yield m\n"),
        example("helper(n)", before="def helper(m):\n    return [m]\n"),
    ),
    Rule(
        "walrus",
        "error",
        "`:=`",
        "assign on a line of its own",
        PARSER,
        is_a(ast.NamedExpr),
        example("if (m := n) > 1:\n    n = m"),
        example("m = n\nif m > 1:\n    n = m"),
    ),
    Rule(
        "set",
        "error",
        "a set",
        "use a list or a tuple",
        f"{GUIDE}; {PARSER}",
        is_a(ast.Set),
        example("sizes = {1, 2}"),
        example("sizes = (1, 2)"),
    ),
    Rule(
        "dict-key",
        "error",
        "a dict whose keys are not text",
        "use text as keys, or a list",
        f"{GUIDE}; {MIGRATION}",
        _dict_key,
        example("names = {1: n}"),
        example('names = {"one": n}'),
    ),
    Rule(
        "expansion",
        "error",
        "`*` or `**` that spreads a value",
        "write the elements or arguments out",
        PARSER,
        _expansion,
        example("helper(*(n, n))", before="def helper(a, b):\n    return a\n"),
        example("helper(n, n)", before="def helper(a, b):\n    return a\n"),
    ),
    Rule(
        "format",
        "error",
        "a format in an f-string",
        "leave the format out",
        PARSER,
        _format_spec,
        example('print(f"{n:04d}")'),
        example('print(f"{n}")'),
    ),
    Rule(
        "matmul-operator",
        "error",
        "the operator `@`",
        "use nisa.nc_matmul",
        PARSER,
        _matmul,
        example("y = x @ x"),
        example("y = x"),
    ),
    Rule(
        "int32",
        "error",
        "an integer beyond 32 bits",
        "integers in kernels are int32; compute it from smaller ones or pass it as a float",
        GUIDE,
        _large_int,
        example("m = 4294967296"),
        example("m = 65536"),
    ),
    Rule(
        "constant",
        "error",
        "a constant of a type that kernels lack",
        "use None, bool, int, float or text",
        GUIDE,
        _other_constant,
        example("m = 2j"),
        example("m = 2.0"),
    ),
    Rule(
        "numpy",
        "error",
        "numpy, torch or jax inside a kernel",
        "use nl: nl.float32, nl.add; compute constants outside the kernel",
        CONSTRAINT,
        _numpy,
        example("m = np.float32", before="import numpy as np\n"),
        example("m = nl.float32"),
    ),
)
