"""The kernel text of a group of elementwise nodes, and the kernel made from it.

out[i, r, c] = body(x0[i, r, c], x1[r, 0], ...)    tile by tile, everything between in SBUF

Each operand is loaded in the outermost loop that it depends on: what is the same for all rows is
loaded once.
"""

from __future__ import annotations

import hashlib
import linecache
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from glia.compiler.codegen.loops import Walk, plan_walk
from glia.compiler.codegen.operations import emit
from glia.compiler.codegen.text import Lines, Term, as_tile, working_format
from glia.compiler.program import chip_format
from glia.compiler.view import View
from glia.graph.ir import Graph, Node, Value
from glia.nki.kernel import Kernel

_TILE_BYTES = 64 * 1024  # of all tiles of one step, per partition: leaves room for two steps
_HEADER = "import glia.nki as nki\nimport glia.nki.isa as nisa\nimport glia.nki.language as nl\n"
_INDENT = "    "


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


# -- operands ------------------------------------------------------------------------------------


def _uses(body: Graph, views: Sequence[View]) -> list[tuple[Value, View]]:
    """Each tensor as the body sees it in the result's shape: inputs, directly or broadcast."""
    shape = body.outputs[0].type.shape
    places: Mapping[Value, View] = dict(zip(body.inputs, views, strict=True))
    found = [(v, _in_shape(places[v], shape)) for v in body.inputs if _read(body, v)]
    for node in body.nodes:
        if node.op == "broadcast_in_dim" and node.operands[0] in places:
            dims = node.attrs["broadcast_dimensions"]
            found.append((node.result, places[node.operands[0]].broadcast(shape, dims)))
    return found


def _in_shape(view: View, shape: tuple[int, ...]) -> View:
    """Scalars (the predicate of a select, the bounds of a clamp) repeat."""
    return view if view.shape == shape else view.broadcast(shape, ())


def _read(body: Graph, value: Value) -> bool:
    return value in body.outputs or any(
        value in node.operands for node in body.nodes if node.op != "broadcast_in_dim"
    )


def _numbers(body: Graph) -> dict[Value, Term]:
    """Scalar constants, directly or broadcast, as numbers in the text."""
    found: dict[Value, Term] = {}
    for value, data in body.constants.items():
        format = working_format(value.type.dtype)
        found[value] = Term("", format, np.asarray(data).astype(np.float64).item())
    for node in body.nodes:
        if node.op == "broadcast_in_dim" and node.operands[0] in found:
            found[node.result] = found[node.operands[0]]
    return found


# -- the text ------------------------------------------------------------------------------------


def _text(body: Graph, tensors: Sequence[Value], walk: Walk) -> str:
    step = _column_step(body, tensors, walk)
    levels = [Lines(_INDENT * (depth + 2)) for depth in range(len(walk.loops) + 1)]
    inner = levels[-1]
    terms = _numbers(body)
    for position, (value, view) in enumerate(zip(tensors, walk.operands, strict=True)):
        terms[value] = _load(levels, f"x{position}", view, walk)
    result = _compute(inner, body, terms)
    inner.add(f"nisa.dma_copy(dst=out[{_index(walk)}], src={result.text})")
    arguments = ", ".join(f"x{i}" for i in range(len(tensors)))
    return "\n".join(
        [
            f'"""{_describe(body)}"""\n\n{_HEADER}\n',
            f"@nki.jit\ndef FUSED_NAME({arguments}):",
            f"    out = nl.ndarray({walk.shape}, dtype=nl.{_out_format(body)}, "
            "buffer=nl.shared_hbm)",
            *_nest(walk, step, levels),
            "    return out\n",
        ]
    )


def _column_step(body: Graph, tensors: Sequence[Value], walk: Walk) -> int:
    """Columns of a tile: all tiles of a step fit their share of SBUF. Tiles are at most fp32."""
    num_tiles = len(tensors) + 3 * len(body.nodes)
    return min(walk.shape[-1], max(64, _TILE_BYTES // (4 * num_tiles)))


def _nest(walk: Walk, step: int, levels: Sequence[Lines]) -> list[str]:
    """Columns, then the other loops; the statements of each level stand where it begins."""
    size, rows = walk.shape[-1], walk.shape[walk.rows]
    text = [
        f"    for c0 in range(0, {size}, {step}):",
        f"        cols = min({step}, {size} - c0)",
        *levels[0].lines,
    ]
    for depth, d in enumerate(walk.loops):
        pad = _INDENT * (depth + 2)
        if d == walk.rows:
            text.append(f"{pad}for r0 in range(0, {rows}, nl.tile_size.pmax):")
            text.append(f"{pad}    rows = min(nl.tile_size.pmax, {rows} - r0)")
        else:
            text.append(f"{pad}for i{d} in range({walk.shape[d]}):")
        text += levels[depth + 1].lines
    return text


def _load(levels: Sequence[Lines], name: str, view: View, walk: Walk) -> Term:
    """One operand's tile, loaded in the outermost loop that it depends on.

    A column (stride 0 inside) is loaded once and repeated on chip; so is a row, for its partitions.
    """
    lines, by_row = levels[_level(view, walk)], view.strides[walk.rows] != 0
    height = min(128, walk.shape[walk.rows])
    is_column = view.strides[-1] == 0
    tile = lines.allocate(
        view.format, "rows" if by_row else str(height), "1" if is_column else "cols", f"{name}_"
    )
    rows = "" if by_row else f"0:{height}"
    columns = "0:1" if is_column else ""
    lines.add(f"nisa.dma_copy(dst={tile.text}, src={name}[{_index(walk, view, rows, columns)}])")
    text = tile.text if by_row else f"{tile.text}[0:rows]"
    if not is_column:
        return Term(text, view.format)
    if not view.dtype.is_float:
        return Term(f"{text}.broadcast(1, cols)", view.format)
    if view.format != "float32":
        # A column that is an instruction's scalar operand must be fp32.
        height_text = "rows" if by_row else str(height)
        wide = lines.allocate("float32", height_text, "1", f"{name}_")
        lines.add(f"nisa.tensor_copy(dst={wide.text}, src={tile.text})")
        text = wide.text if by_row else f"{wide.text}[0:rows]"
    return Term(f"{text}.broadcast(1, cols)", "float32", column=text)


def _level(view: View, walk: Walk) -> int:
    """How many loops inside the columns the operand depends on, counted to the innermost one."""
    depends = [depth + 1 for depth, d in enumerate(walk.loops) if view.strides[d] != 0]
    return max(depends, default=0)


def _index(walk: Walk, view: View | None = None, rows: str = "", columns: str = "") -> str:
    """One step's place in the result, or in an operand: 0 in dims that it repeats along."""
    strides = (1,) * len(walk.shape) if view is None else view.strides
    parts = [f"i{d}" if strides[d] else "0" for d in range(len(walk.shape) - 1)]
    parts[walk.rows] = rows or "r0 : r0 + rows"
    return ", ".join([*parts, columns or "c0 : c0 + cols"])


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
    result = terms[last]
    return as_tile(lines, result, _out_format(body)) if result.is_number else result


def _out_format(body: Graph) -> str:
    return chip_format(body.outputs[0].type.dtype)


def _describe(body: Graph) -> str:
    """The group as one line: its ops in order."""
    return "Elementwise: " + ", ".join(_op_text(n) for n in body.nodes)


def _op_text(node: Node) -> str:
    return node.op if node.op != "compare" else f"compare {node.attrs['direction']}"
