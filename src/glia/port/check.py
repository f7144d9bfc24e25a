"""What in the model's own code is tied to CUDA: found by reading the syntax tree, never by running.

Reads the file that the model comes from and the modules beside it that it imports. Each rule is
one record; `findings` gives file, line and what to do.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from glia.core.records import Finding, Severity, SourceLine


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that does not move. `matches(node, names)` gets the dotted names of imports."""

    name: str
    severity: Severity
    what: str
    do: str
    matches: Callable[[ast.AST, dict[str, str]], bool]


def source_findings(file: Path) -> tuple[Finding, ...]:
    """Findings in `file` and the modules beside it, in reading order."""
    found: list[Finding] = []
    for path in _with_neighbours(file):
        found += _in_file(path)
    return tuple(found)


def _with_neighbours(file: Path) -> list[Path]:
    """The file, and every .py beside it that it imports, directly or not."""
    seen: dict[Path, None] = {}
    waiting = [file]
    while waiting:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen[path] = None
        tree = _parse(path)
        names = _imported_modules(tree) if tree is not None else ()
        waiting += [p for p in (path.parent / f"{n}.py" for n in names) if p.is_file()]
    return list(seen)


def _parse(path: Path) -> ast.Module | None:
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, UnicodeDecodeError, ValueError):
        return None  # the loader reports a file that does not run; this only reads


def _imported_modules(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


def _in_file(path: Path) -> Iterator[Finding]:
    tree = _parse(path)
    if tree is None:
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    names = _aliases(tree)
    reported: set[tuple[str, int]] = set()
    for line, node in _by_line(tree):
        for rule in RULES:
            if (rule.name, line) not in reported and rule.matches(node, names):
                reported.add((rule.name, line))
                place = SourceLine(str(path), line, lines[line - 1].strip())
                yield Finding(rule.name, rule.severity, rule.what, rule.do, place)


def _by_line(tree: ast.AST) -> list[tuple[int, ast.AST]]:
    placed = [(n.lineno, n.col_offset, n) for n in ast.walk(tree) if isinstance(n, _PLACED)]
    return [(line, node) for line, _, node in sorted(placed, key=lambda p: p[:2])]


def _aliases(tree: ast.AST) -> dict[str, str]:
    """Local name -> dotted name, for every import."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.split(".")[0]
                names[bound] = alias.name if alias.asname else bound
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


# -- what a rule looks for -----------------------------------------------------------------------


def _dotted(node: ast.AST, names: dict[str, str]) -> str:
    """`c.Stream` as `torch.cuda.Stream` when `c` is an import; empty for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in names:
        return ""
    return ".".join([names[node.id], *reversed(parts)])


def _uses(*prefixes: str) -> Callable[[ast.AST, dict[str, str]], bool]:
    def matches(node: ast.AST, names: dict[str, str]) -> bool:
        if not isinstance(node, (ast.Attribute, ast.Name)):
            return False
        dotted = _dotted(node, names)
        return any(dotted == p or dotted.startswith(p + ".") for p in prefixes)

    return matches


def _imports(*modules: str) -> Callable[[ast.AST, dict[str, str]], bool]:
    def matches(node: ast.AST, names: dict[str, str]) -> bool:
        return isinstance(node, (ast.Import, ast.ImportFrom)) and any(
            name in modules for name in _imported_modules(node)
        )

    return matches


def _calls_method(*methods: str) -> Callable[[ast.AST, dict[str, str]], bool]:
    def matches(node: ast.AST, names: dict[str, str]) -> bool:
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in methods
            and not _dotted(node.func, names)
        )

    return matches


def _cuda_string(node: ast.AST, names: dict[str, str]) -> bool:
    """`"cuda"` or `"cuda:0"` as an argument, a default or an assigned value; not in prose."""
    values: list[ast.AST]
    if isinstance(node, ast.Call):
        values = [*node.args, *(k.value for k in node.keywords)]
    elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.IfExp, ast.Return)):
        values = list(ast.iter_child_nodes(node))
    else:
        return False
    return any(_is_cuda(value) for value in values)


def _is_cuda(node: ast.AST) -> bool:
    if isinstance(node, ast.JoinedStr) and node.values:
        node = node.values[0]
    text = node.value if isinstance(node, ast.Constant) else None
    return isinstance(text, str) and (text == "cuda" or text.startswith("cuda:"))


_PLACED = (ast.stmt, ast.expr)
_LIBRARIES = ("flash_attn", "xformers", "apex", "bitsandbytes", "triton", "deepspeed", "pycuda")

RULES: tuple[Rule, ...] = (
    Rule(
        "cuda-device", "warns", "a device is named 'cuda'",
        "pass the device in, or leave it out: glia places the model itself", _cuda_string,
    ),
    Rule(
        "cuda-method", "warns", ".cuda() moves to an NVIDIA GPU",
        "use .to(device) with a device that is passed in", _calls_method("cuda"),
    ),
    Rule(
        "cuda-namespace", "warns", "torch.cuda is used",
        "guard it with torch.cuda.is_available(), or use torch.accelerator where there is one",
        _uses("torch.cuda"),
    ),
    Rule(
        "cuda-backend", "note", "a CUDA or cuDNN switch is set; it has no effect elsewhere",
        "set it only where CUDA runs", _uses("torch.backends.cuda", "torch.backends.cudnn"),
    ),
    Rule(
        "cuda-library", "warns", "a library with CUDA kernels is imported",
        "use torch.nn.functional (scaled_dot_product_attention for attention), which glia maps",
        _imports(*_LIBRARIES),
    ),
    Rule(
        "cuda-extension", "blocks", "a CUDA extension is built or loaded",
        "write the operation with torch operators", _uses("torch.utils.cpp_extension"),
    ),
    Rule(
        "float64", "note", "float64 is used; the chips have no float64",
        "use float32", _uses("torch.float64", "torch.double"),
    ),
    Rule(
        "complex", "warns", "complex numbers are used; the chips have none",
        "keep real and imaginary parts as two tensors",
        _uses("torch.complex", "torch.complex64", "torch.complex128", "torch.fft"),
    ),
)  # fmt: skip
