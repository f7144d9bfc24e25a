"""Public names and arguments that the API no longer has, and what replaced them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from enum import EnumType
from functools import cache
from types import ModuleType
from typing import Any

from glia.nki.subset.rule import Hit, Rule, Scope
from glia.nki.subset.scopes import attributes, place
from glia.nki.subset.sources import API, CONSTRAINT, MIGRATION, PARSER, SIMULATOR
from glia.nki.subset.statements import example

# Old name -> what to write.
_GONE: Mapping[str, str] = {
    "nki.language.arange": "slices, nl.ds(start, size) or .ap(...)",
    "nki.language.mgrid": "slices, nl.ds(start, size) or .ap(...)",
    "nki.language.par_dim": "a shape whose dim 0 is the partition dim",
    "nki.isa.tensor_copy_dynamic_src": "nisa.tensor_copy with .ap(scalar_offset=...)",
    "nki.isa.tensor_copy_dynamic_dst": "nisa.tensor_copy with .ap(scalar_offset=...)",
    "nki.baremetal": "nki.jit",
    "nki.benchmark": "glia nki profile, or the profiler on hardware",
    "nki.simulate_kernel": "nki.simulate(kernel)(...)",
}

# (function, argument) -> what to write; an empty function means all of nki.isa and nki.language.
_GONE_ARGUMENTS: Mapping[tuple[str, str], str] = {
    ("", "mask"): "clamp the sizes with min(); select with tensor_copy_predicated",
    ("dma_copy", "dst_rmw_op"): "nisa.dma_compute(dst, srcs, reduce_op)",
    ("dma_copy", "unique_indices"): "nisa.dma_compute(..., unique_indices=...)",
    ("sendrecv", "use_gpsimd_dma"): "dma_engine=nisa.dma_engine.gpsimd_dma",
    ("collective_permute_implicit", "num_channels"): "channel_ids=[0, 1, ...]",
}
_ENUMS = ("dge_mode", "oob_mode", "reduce_cmd", "engine", "perf_mode", "dma_engine")
# Built-in functions that act on the host's Python while a kernel is only read by the compiler.
_HOST_CALLS = (
    "__import__", "compile", "eval", "exec", "exit", "globals", "input", "locals", "open", "quit",
)  # fmt: skip
_BUFFERS = ("sbuf", "psum", "hbm", "private_hbm", "shared_hbm")


def _legacy_import(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if scope.kind != "module":
        return
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    else:
        return
    for name in names:
        if name.startswith("neuronxcc.nki") and not name.startswith("neuronxcc.nki.typing"):
            yield Hit(node, f"`{ast.unparse(node)}`")


def _gone(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.Attribute):
        instead = _GONE.get(scope.called(node))
        if instead:
            yield Hit(node, f"`{ast.unparse(node)}` (now: {instead})")


def _unknown(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.Attribute):
        name = scope.called(node)
        wrong = unknown_name(name) if name.startswith("nki.") and name not in _GONE else ""
        if wrong:
            yield Hit(node, f"`{ast.unparse(node)}` ({wrong})")


def _unbound(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.Name) and place(node) in scope.unbound:
        yield Hit(node, f"`{node.id}`")


def _no_attribute(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.Attribute) and place(node) in scope.wrong:
        near = get_close_matches(node.attr, [a for a in attributes() if a[0] != "_"], n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        yield Hit(node, f"`{ast.unparse(node)}`{hint}")


@cache
def unknown_name(name: str) -> str:
    """What is wrong with a dotted name of `nki`: a module or enum in it lacks the last part."""
    import glia.nki.collectives
    import glia.nki.isa
    import glia.nki.language

    *parents, last = name.split(".")[1:]
    owner: Any = glia.nki
    for part in parents:
        owner = getattr(owner, part, None)
    checked = isinstance(owner, (ModuleType, EnumType))
    if not checked or hasattr(owner, last):
        return ""
    near = get_close_matches(last, dir(owner), n=1)
    return f"did you mean {near[0]}?" if near else f"see dir({'.'.join(['nki', *parents])})"


def gone_argument(function: str, keyword: str) -> str:
    """What replaced an argument that a function (by its dotted name) had once; "" if it had not."""
    instead = _GONE_ARGUMENTS.get((function.rpartition(".")[2], keyword), "")
    if not instead and function.startswith(("nki.isa.", "nki.language.")):
        instead = _GONE_ARGUMENTS.get(("", keyword), "")
    return instead


def _gone_argument(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if not isinstance(node, ast.Call):
        return
    name = scope.called(node.func)
    if not name.startswith(("nki.isa.", "nki.collectives.", "nki.language.")):
        return
    last = name.rpartition(".")[2]
    for keyword in node.keywords:
        instead = gone_argument(name, keyword.arg or "")
        if instead:
            yield Hit(keyword.value, f"`{keyword.arg}=` of {last} (now: {instead})")


def _assigned_result(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
        name = scope.called(node.value.func)
        if is_assigned_result(node.value, name):
            short = name.rpartition(".")[2]
            yield Hit(node.value, f"`{ast.unparse(node.targets[0])} = {short}(...)`")


def is_assigned_result(call: ast.Call, name: str) -> bool:
    """True for an instruction (by its dotted name) that is given data, but nowhere to put it."""
    wants_dst = name.startswith("nki.isa.") and not name.startswith("nki.isa.register_alloc")
    given = {keyword.arg for keyword in call.keywords}
    data = {"data", "src", "stationary", "data1"} & given
    return wants_dst and not call.args and "dst" not in given and bool(data)


def _string_buffer(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.Call):
        for keyword in node.keywords:
            value = keyword.value
            text = value.value if isinstance(value, ast.Constant) else None
            if keyword.arg == "buffer" and text in _BUFFERS:
                yield Hit(value, f"buffer={text!r}")


def _host_call(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if scope.kind == "module" or not isinstance(node, ast.Call):
        return
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name in _HOST_CALLS:
        yield Hit(node, f"`{name}(...)`")
    elif name == "breakpoint" or scope.called(node.func) == "pdb.set_trace":
        # The simulator's guide recommends it; a compiled kernel has no debugger.
        yield Hit(node, f"`{ast.unparse(node)}`", "warning")


def _integer_enum(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.Call) and scope.called(node.func).startswith("nki.isa."):
        for keyword in node.keywords:
            value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
            if keyword.arg in _ENUMS and type(value) is int:
                yield Hit(keyword.value, f"{keyword.arg}={value}")


NAMES = (
    Rule(
        "legacy-import",
        "error",
        "the old package neuronxcc.nki, an error since NKI 0.4",
        "import nki, nki.language, nki.isa",
        MIGRATION,
        _legacy_import,
        "import neuronxcc.nki as old\n" + example("n = 3"),
        example("n = 3"),
    ),
    Rule(
        "removed-name",
        "error",
        "a name that the API no longer has",
        "use what replaced it",
        MIGRATION,
        _gone,
        example("i = nl.arange(128)"),
        example("y = x[0:128]"),
    ),
    Rule(
        "unknown-name",
        "error",
        "a name that the API does not have",
        "check its spelling",
        API,
        _unknown,
        example("nisa.dma_cpy(dst=x, src=x)"),
        example("nisa.dma_copy(dst=x, src=x)"),
    ),
    Rule(
        "undefined-name",
        "error",
        "a name that nothing in the file binds",
        "define or import it, or correct its spelling",
        API,
        _unbound,
        example("y = x[0:rows]"),
        example("rows = 128\ny = x[0:rows]"),
    ),
    Rule(
        "unknown-attribute",
        "error",
        "an attribute that tensors do not have",
        "check its spelling; a tensor has shape, dtype, buffer and methods that give views of it",
        API,
        _no_attribute,
        example("y = nl.load(x)\nz = y.transposed((1, 0))"),
        example("y = nl.load(x)\nz = y.permute((1, 0))"),
    ),
    Rule(
        "removed-argument",
        "error",
        "an argument that the API no longer has",
        "use what replaced it",
        f"{MIGRATION}; {CONSTRAINT}",
        _gone_argument,
        example("nisa.dma_copy(dst=x, src=x, mask=n)"),
        example("nisa.dma_copy(dst=x, src=x)"),
    ),
    Rule(
        "assigned-result",
        "error",
        "the result of an instruction assigned, without dst",
        "allocate the result and pass it as dst=",
        MIGRATION,
        _assigned_result,
        example("y = nisa.tensor_copy(src=x)"),
        example("y = nl.ndarray((128, 4), dtype=nl.float32)\nnisa.tensor_copy(dst=y, src=x)"),
    ),
    Rule(
        "text-buffer",
        "error",
        "a buffer named by text",
        "use nl.sbuf, nl.psum, nl.shared_hbm",
        CONSTRAINT,
        _string_buffer,
        example('y = nl.ndarray((128, 4), dtype=nl.float32, buffer="sbuf")'),
        example("y = nl.ndarray((128, 4), dtype=nl.float32, buffer=nl.sbuf)"),
    ),
    Rule(
        "host-call",
        "error",
        "a call that only Python on the host can make, such as the simulator",
        "remove it before the kernel is compiled; do such work outside and pass the result in",
        f"{PARSER}; {SIMULATOR}",
        _host_call,
        example('m = __import__("os")'),
        example("m = n"),
    ),
    Rule(
        "integer-enum",
        "error",
        "a number for an enum",
        "use the enum, as nisa.dge_mode.hwdge",
        CONSTRAINT,
        _integer_enum,
        example("nisa.dma_copy(dst=x, src=x, dge_mode=2)"),
        example("nisa.dma_copy(dst=x, src=x, dge_mode=nisa.dge_mode.hwdge)"),
    ),
)
