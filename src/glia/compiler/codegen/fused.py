"""The kernel text of a group of elementwise nodes, and the kernel made from it.

out[i, r, c] = body(x0[i, r, c], x1[r, 0], ...)    tile by tile, everything between in SBUF
"""

from __future__ import annotations

import hashlib
import linecache
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from glia.compiler.codegen.loops import Walk, plan_walk
from glia.compiler.codegen.operations import Lines, Term, emit, working_format
from glia.compiler.program import chip_format
from glia.compiler.view import View
from glia.graph.ir import Graph, Node, Value
from glia.nki.kernel import Kernel

_TILE_BYTES = 64 * 1024  # of all tiles of one step, per partition: leaves room for two steps
_HEADER = "import glia.nki as nki\nimport glia.nki.isa as nisa\nimport glia.nki.language as nl\n"


@dataclass(frozen=True, slots=True)
class FusedKernel:
    """A generated kernel: its text, the callable, and the operands in the layout it expects."""

    name: str
    source: str
    kernel: Kernel
    operands: tuple[View, ...]


def generate(body: Graph, views: Sequence[View]) -> FusedKernel:
    """The kernel that computes `body` on operands living in `views` (the body's inputs)."""
    shape = body.outputs[0].type.shape
    uses = _uses(body, views)
    walk = plan_walk(shape, [view for _, view in uses])
    text = _text(body, [value for value, _ in uses], walk)
    name = f"fused_{hashlib.sha256(text.encode()).hexdigest()[:10]}"
    source = text.replace("FUSED_NAME", name)
    return FusedKernel(name, source, compile_source(name, source), walk.operands)


def compile_source(name: str, source: str) -> Kernel:
    """Execute generated text; its lines are known to error messages."""
    file = f"<{name}.py>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    space: dict[str, object] = {"__name__": f"glia.generated.{name}"}
    exec(compile(source, file, "exec"), space)
    kernel = space[name]
    assert isinstance(kernel, Kernel)
    return kernel


def _uses(body: Graph, views: Sequence[View]) -> list[tuple[Value, View]]:
    """Each tensor as the body sees it in the result's shape: inputs, directly or broadcast."""
    shape = body.outputs[0].type.shape
    places: Mapping[Value, View] = dict(zip(body.inputs, views, strict=True))
    found = [(v, places[v]) for v in body.inputs if v.type.shape == shape and _read(body, v)]
    for node in body.nodes:
        if node.op == "broadcast_in_dim" and node.operands[0] in places:
            dims = node.attrs["broadcast_dimensions"]
            found.append((node.result, places[node.operands[0]].broadcast(shape, dims)))
    return found


def _read(body: Graph, value: Value) -> bool:
    return value in body.outputs or any(
        value in node.operands for node in body.nodes if node.op != "broadcast_in_dim"
    )


def _text(body: Graph, tensors: Sequence[Value], walk: Walk) -> str:
    depth = len(walk.shape) - 2
    indent = "    " * (depth + 3)
    lines = Lines(indent)
    terms = _numbers(body)
    index = "".join(f"i{d}, " for d in range(depth))
    for position, (value, view) in enumerate(zip(tensors, walk.operands, strict=True)):
        terms[value] = _load(lines, f"x{position}", view, index)
    result = _compute(lines, body, terms)
    lines.add(f"nisa.dma_copy(dst=out[{index}r0 : r0 + rows, c0 : c0 + cols], src={result.text})")
    num_tiles = sum(".ndarray(" in line for line in lines.lines)
    step = min(walk.shape[-1], max(64, _TILE_BYTES // (4 * max(num_tiles, 1))))
    arguments = ", ".join(f"x{i}" for i in range(len(tensors)))
    return "\n".join(
        [
            f'"""{_describe(body)}"""\n\n{_HEADER}\n',
            f"@nki.jit\ndef FUSED_NAME({arguments}):",
            f"    out = nl.ndarray({walk.shape}, dtype=nl.{_out_format(body)}, "
            "buffer=nl.shared_hbm)",
            *_loops(walk.shape, step),
            *lines.lines,
            "    return out\n",
        ]
    )


def _loops(shape: tuple[int, ...], step: int) -> list[str]:
    lines = []
    for d, size in enumerate(shape[:-2]):
        lines.append("    " * (d + 1) + f"for i{d} in range({size}):")
    pad = "    " * (len(shape) - 1)
    rows, columns = shape[-2:]
    lines.append(f"{pad}for r0 in range(0, {rows}, nl.tile_size.pmax):")
    lines.append(f"{pad}    rows = min(nl.tile_size.pmax, {rows} - r0)")
    lines.append(f"{pad}    for c0 in range(0, {columns}, {step}):")
    lines.append(f"{pad}        cols = min({step}, {columns} - c0)")
    return [*lines[:-2], lines[-2], lines[-1]]


def _load(lines: Lines, name: str, view: View, index: str) -> Term:
    """One operand's tile; a column (stride 0 inside) is loaded once and repeated on chip."""
    is_column = view.strides[-1] == 0 and view.shape[-1] > 1
    tile = lines.tile(view.format, "1" if is_column else "cols", hint=f"{name}_")
    columns = "0:1" if is_column else "c0 : c0 + cols"
    lines.add(f"nisa.dma_copy(dst={tile.text}, src={name}[{index}r0 : r0 + rows, {columns}])")
    shown = f"{tile.text}.broadcast(1, cols)" if is_column else tile.text
    return Term(shown, view.format)


def _numbers(body: Graph) -> dict[Value, Term]:
    """Scalar constants, directly or broadcast, as numbers in the text."""
    found: dict[Value, Term] = {}
    for value, data in body.constants.items():
        found[value] = Term("", chip_format(value.type.dtype), float(np.asarray(data).item()))
    for node in body.nodes:
        if node.op == "broadcast_in_dim" and node.operands[0] in found:
            found[node.result] = found[node.operands[0]]
    return found


def _compute(lines: Lines, body: Graph, terms: dict[Value, Term]) -> Term:
    last = body.outputs[0]
    for node in body.nodes:
        if node.op == "broadcast_in_dim":
            continue
        final = node.result == last
        format = _out_format(body) if final else working_format(node.result.type.dtype)
        dst = lines.tile(format)
        emit(lines, dst, [terms[o] for o in node.operands], node)
        terms[node.result] = dst
    return _as_result(lines, terms[last], _out_format(body))


def _as_result(lines: Lines, term: Term, format: str) -> Term:
    """A group whose result is an operand or a number still needs a tile to store."""
    if term.is_number:
        made = lines.tile(format)
        lines.add(f"nisa.memset(dst={made.text}, value={term.number!r})")
        return made
    return term


def _out_format(body: Graph) -> str:
    return chip_format(body.outputs[0].type.dtype)


def _describe(body: Graph) -> str:
    """The group as one line: its ops in order."""
    return "Elementwise: " + ", ".join(_op_text(n) for n in body.nodes)


def _op_text(node: Node) -> str:
    return node.op if node.op != "compare" else f"compare {node.attrs['direction']}"
