"""Statements and definitions that the compiler refuses inside kernels."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from glia.nki.subset.rule import Find, Hit, Rule, Scope, Severity
from glia.nki.subset.sources import CONSTRAINT, GUIDE, LOOPS, MIGRATION, PARSER


def example(body: str, before: str = "", after: str = "") -> str:
    """A kernel file whose body is these lines; `before` and `after` stand around the kernel."""
    lines = "".join(f"    {line}\n" for line in body.strip("\n").splitlines())
    head = "import nki\nimport nki.isa as nisa\nimport nki.language as nl\n\n"
    return f"{head}{before}\n\n@nki.jit\ndef kernel(x, n=2):\n{lines}    return x\n{after}"


def is_a(*kinds: type[ast.AST]) -> Find:
    """A rule that refuses nodes of these kinds."""

    def find(node: ast.AST, scope: Scope) -> Iterator[Hit]:
        if isinstance(node, kinds) and scope.kind in ("kernel", "helper"):
            yield Hit(node)

    return find


def _loop_else(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, (ast.For, ast.While)) and node.orelse:
        yield Hit(node.orelse[0])


def _loop_target(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.For) and not isinstance(node.target, ast.Name):
        yield Hit(node.target, f"`for {ast.unparse(node.target)} in ...`")


def _with(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if not isinstance(node, ast.With):
        return
    first = node.items[0]
    call = first.context_expr
    simple = isinstance(call, ast.Call) and not call.args and not call.keywords
    known = simple and scope.called(call.func).split(".")[-1] == "no_reorder"  # type: ignore[attr-defined]
    if len(node.items) > 1 or first.optional_vars is not None or not known:
        yield Hit(call, f"`with {', '.join(map(ast.unparse, node.items))}`")


def _list_default(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.FunctionDef):
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if isinstance(default, (ast.List, ast.Dict, ast.Set)):
                yield Hit(default, f"`{ast.unparse(default)}` as a default")


def _keyword_only(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.FunctionDef) and node.args.kwonlyargs and not node.args.vararg:
        yield Hit(node.args.kwonlyargs[0], f"`*` before {node.args.kwonlyargs[0].arg}")


def _variable_arguments(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.FunctionDef):
        if node.args.vararg:
            yield Hit(node.args.vararg, f"`*{node.args.vararg.arg}`")
        if node.args.kwarg:
            yield Hit(node.args.kwarg, f"`**{node.args.kwarg.arg}`")


def _decorated_helper(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.FunctionDef) and scope.kind == "helper" and node.name == scope.name:
        for decorator in node.decorator_list:
            name = scope.called(decorator.func if isinstance(decorator, ast.Call) else decorator)
            if name.split(".")[-1] not in ("staticmethod", "dataclass"):
                yield Hit(decorator, f"`@{ast.unparse(decorator)}` on {node.name}")


def _kernel_decorator(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.FunctionDef) and scope.kind == "kernel" and node.name == scope.name:
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call):
                words = {k.arg: k for k in decorator.keywords}
                for name in ("mode", "platform_target"):
                    if name in words:
                        severity: Severity = "warning" if name == "mode" else "error"
                        yield Hit(words[name].value, f"`{name}=` in @nki.jit", severity)


def _nested(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.FunctionDef) and node.name not in (scope.name, *scope.loop_bodies):
        yield Hit(node, f"the function {node.name} inside {scope.name}")


def _called_kernel(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        name = node.func.id
        if name in scope.kernels and scope.kind != "module" and name != scope.name:
            yield Hit(node, f"a call of {name}, which is under @nki.jit itself")


def _class_base(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.ClassDef) and scope.kind == "class":
        names = [scope.called(base).split(".")[-1] for base in node.bases]
        if not any(name.endswith(("NKIObject", "Enum", "NamedTuple")) for name in names):
            yield Hit(node, f"class {node.name}({', '.join(map(ast.unparse, node.bases))})")


def _dynamic_range(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    call = node.iter if isinstance(node, ast.For) else None
    if isinstance(call, ast.Call) and scope.called(call.func).split(".")[-1] == "dynamic_range":
        yield Hit(call)


STATEMENTS = (
    Rule(
        "try",
        "error",
        "`try` in a kernel",
        "check with if before, or assert",
        PARSER,
        is_a(ast.Try, ast.TryStar),
        example("try:\n    n = n + 1\nexcept ValueError:\n    n = 0"),
        example("if n < 2:\n    n = n + 1"),
    ),
    Rule(
        "raise",
        "error",
        "`raise` in a kernel",
        "use assert, or check in Python before the kernel is called",
        PARSER,
        is_a(ast.Raise),
        example('if n > 2:\n    raise ValueError("too large")'),
        example('assert n <= 2, "too large"'),
    ),
    Rule(
        "import",
        "error",
        "`import` inside a kernel",
        "import at the top of the file",
        PARSER,
        is_a(ast.Import, ast.ImportFrom),
        example("import math"),
        example("n = n + 1", before="import math\n"),
    ),
    Rule(
        "global",
        "error",
        "`global` or `nonlocal` in a kernel",
        "return the value, or pass a dict between functions",
        PARSER,
        is_a(ast.Global, ast.Nonlocal),
        example("global COUNT\nCOUNT = n", before="COUNT = 0\n"),
        example("count = n"),
    ),
    Rule(
        "match",
        "error",
        "`match` in a kernel",
        "use if and elif",
        PARSER,
        is_a(ast.Match),
        example("match n:\n    case 2:\n        n = 3"),
        example("if n == 2:\n    n = 3"),
    ),
    Rule(
        "del",
        "error",
        "`del` in a kernel",
        "leave it out: memory is freed after its last use; remove a key with pop",
        PARSER,
        is_a(ast.Delete),
        example("m = n\ndel m"),
        example("m = n"),
    ),
    Rule(
        "async",
        "error",
        "`async` in a kernel",
        "write plain functions: engines overlap by themselves",
        PARSER,
        is_a(ast.AsyncFor, ast.AsyncWith, ast.AsyncFunctionDef),
        example("async with x:\n    n = 3").replace("def kernel", "async def kernel"),
        example("n = 3"),
    ),
    Rule(
        "loop-else",
        "error",
        "`else` of a loop",
        "put what follows the loop after it",
        PARSER,
        _loop_else,
        example("for i in range(n):\n    m = i\nelse:\n    m = 0"),
        example("m = 0\nfor i in range(n):\n    m = i"),
    ),
    Rule(
        "loop-target",
        "error",
        "more than one name as the target of a loop",
        "loop over one name and take its parts inside",
        PARSER,
        _loop_target,
        example("for i, j in [(1, 2)]:\n    m = i"),
        example("for pair in [(1, 2)]:\n    m = pair[0]"),
    ),
    Rule(
        "with",
        "error",
        "a `with` other than `with nl.no_reorder():`",
        "only nl.no_reorder() is a context in kernels",
        PARSER,
        _with,
        example("with n as m:\n    n = 3"),
        example("with nl.no_reorder():\n    n = 3"),
    ),
    Rule(
        "list-default",
        "error",
        "a list or dict as the default of a parameter",
        "use a tuple or None",
        CONSTRAINT,
        _list_default,
        example("helper(n)", before="def helper(m, stride=[1, 1]):\n    return m\n"),
        example("helper(n)", before="def helper(m, stride=(1, 1)):\n    return m\n"),
    ),
    Rule(
        "keyword-only",
        "error",
        "the keyword-only marker `*`",
        "leave the `*` out; callers may still use keywords",
        CONSTRAINT,
        _keyword_only,
        example("helper(n, flag=True)", before="def helper(m, *, flag):\n    return m\n"),
        example("helper(n, flag=True)", before="def helper(m, flag):\n    return m\n"),
    ),
    Rule(
        "variable-arguments",
        "error",
        "`*args` or `**kwargs`",
        "name every parameter; pass a tuple",
        PARSER,
        _variable_arguments,
        example("helper(n)", before="def helper(*values):\n    return values\n"),
        example("helper((n,))", before="def helper(values):\n    return values\n"),
    ),
    Rule(
        "decorated-helper",
        "error",
        "a decorated function called from a kernel",
        "remove the decorator; apply nki.jit where the function is called from Python",
        f"{MIGRATION}; {PARSER}",
        _decorated_helper,
        example(
            "helper(n)",
            before="import functools\n\n\n@functools.cache\ndef helper(m):\n    return m\n",
        ),
        example("helper(n)", before="def helper(m):\n    return m\n"),
    ),
    Rule(
        "kernel-in-kernel",
        "warning",
        "a kernel that calls a kernel, refused by the first compilers of NKI 0.2",
        "remove @nki.jit from the inner one, and write nki.jit(inner)(...) where Python calls it",
        MIGRATION,
        _called_kernel,
        example("inner(x)", before="@nki.jit\ndef inner(y):\n    return y\n"),
        example("inner(x)", before="def inner(y):\n    return y\n"),
    ),
    Rule(
        "jit-arguments",
        "error",
        "`mode=` or `platform_target=` of nki.jit, removed in NKI 0.3",
        "leave it out; choose the chip with NEURON_PLATFORM_TARGET_OVERRIDE",
        MIGRATION,
        _kernel_decorator,
        example("n = 3").replace("@nki.jit\n", '@nki.jit(platform_target="trn2")\n'),
        example("n = 3"),
    ),
    Rule(
        "class-base",
        "error",
        "a class that inherits from neither NKIObject nor Enum",
        "derive it from nl.NKIObject",
        f"{GUIDE}; {PARSER}",
        _class_base,
        example("c = Config()", before="class Config:\n    width = 3\n"),
        example("c = Config()", before="class Config(nl.NKIObject):\n    width = 3\n"),
    ),
    Rule(
        "inner-function",
        "warning",
        "a function defined inside a kernel: refused before NKI 0.6, there for bodies of loops",
        "define it at the top of the file, unless it is the body of fori_loop or while_loop",
        f"{PARSER}; {LOOPS}",
        _nested,
        example("def inner(m):\n    return m\n\nn = inner(n)"),
        example("n = inner(n)", before="def inner(m):\n    return m\n"),
    ),
    Rule(
        "inner-class",
        "error",
        "a class defined inside a kernel",
        "define it at the top of the file",
        PARSER,
        is_a(ast.ClassDef),
        example("class Inner(nl.NKIObject):\n    width = 3"),
        example("c = Inner()", before="class Inner(nl.NKIObject):\n    width = 3\n"),
    ),
    Rule(
        "dynamic-range",
        "warning",
        "`for ... in nl.dynamic_range`: deprecated in NKI 0.6, gone with the tracing front end",
        "use nl.fori_loop(lower, upper, body)",
        LOOPS,
        _dynamic_range,
        example("for i in nl.dynamic_range(4):\n    m = i"),
        example("nl.fori_loop(0, 4, body)", before="def body(i):\n    m = i\n"),
    ),
)
