"""What the body of a generated kernel is made of: operands, statements, and fresh tiles.

A term is a tile (by its variable), one column of a tile (repeated along the free dim), or a number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from glia.core.dtypes import DType


@dataclass(frozen=True, slots=True)
class Term:
    """An operand: `text` is a tile of the full shape; `column` the (rows, 1) tile behind it.

    `format` is how it is stored; `number` its value when that is known now.
    """

    text: str
    format: str
    number: float | None = None
    column: str = ""

    @property
    def is_number(self) -> bool:
        """True for a constant that goes into the instruction itself."""
        return self.number is not None

    @property
    def literal(self) -> str:
        """The number as Python text; integers where the format is one."""
        assert self.number is not None
        if self.format.startswith(("int", "uint")) and float(self.number).is_integer():
            return str(int(self.number))
        return finite_text(float(self.number))


class Lines:
    """The body being written: statements, and fresh tile names."""

    def __init__(self, indent: str) -> None:
        self.indent = indent
        self.lines: list[str] = []
        self.num_tiles = 0

    def add(self, text: str) -> None:
        """One statement."""
        self.lines.append(self.indent + text)

    def tile(self, format: str, hint: str = "t") -> Term:
        """Allocate a tile [rows, cols]."""
        return self.allocate(format, "rows", "cols", hint)

    def allocate(self, format: str, rows: str, columns: str, hint: str) -> Term:
        """Allocate a tile with these extents, written as text."""
        name = f"{hint}{self.num_tiles}"
        self.num_tiles += 1
        self.add(f"{name} = nl.ndarray(({rows}, {columns}), dtype=nl.{format}, buffer=nl.sbuf)")
        return Term(name, format)

    # -- instructions --------------------------------------------------------------------------

    def scalar(
        self, dst: Term, data: str, op: str, operand: Any, *more: Any, reverse: bool = False
    ) -> None:
        """`dst = data op operand`, and a second step if given; operands are text or numbers."""
        extra = ", reverse0=True" if reverse else ""
        extra += f", op1=nl.{more[0]}, operand1={shown(more[1])}" if more else ""
        self.add(
            f"nisa.tensor_scalar(dst={dst.text}, data={data}, op0=nl.{op}, "
            f"operand0={shown(operand)}{extra})"
        )

    def pair(self, dst: Term, one: str, other: str, op: str) -> None:
        """`dst = one op other` for two tiles."""
        self.add(f"nisa.tensor_tensor(dst={dst.text}, data1={one}, data2={other}, op=nl.{op})")

    def activate(self, dst: Term, data: str, function: str) -> None:
        """`dst = function(data)` on the Scalar engine."""
        self.add(f"nisa.activation(dst={dst.text}, op=nl.{function}, data={data})")

    def copy(self, dst: Term, src: str) -> None:
        """`dst = src`, converted to dst's format."""
        self.add(f"nisa.tensor_copy(dst={dst.text}, src={src})")

    def fill(self, dst: Term, number: Term) -> None:
        """`dst` holds a number everywhere."""
        literal = Term("", dst.format, number.number).literal
        self.add(f"nisa.memset(dst={dst.text}, value={literal})")

    def where(self, dst: Term, predicate: str, src: str) -> None:
        """`dst = src` where the predicate (uint8) is set; `src` is text of a tile or number."""
        self.add(f"nisa.tensor_copy_predicated(dst={dst.text}, src={src}, predicate={predicate})")


def shown(value: Any) -> str:
    """An operand as text: variables as they are, numbers as literals."""
    if isinstance(value, str):
        return value
    return finite_text(value) if isinstance(value, float) else repr(value)


def finite_text(value: float) -> str:
    """A float as Python text; infinities and NaN have no literal."""
    return repr(value) if math.isfinite(value) else f"float({str(value)!r})"


def working_format(dtype: DType) -> str:
    """The format of intermediate tiles."""
    if dtype.is_float:
        return "float32"
    if dtype.kind == "bool":
        return "uint8"
    return "uint32" if dtype.name == "uint32" else "int32"


def as_tile(lines: Lines, term: Term, format: str = "") -> Term:
    """A tile holding the term, in `format` if one is asked for: itself, converted, or filled."""
    if term.is_number:
        made = lines.tile(format or term.format)
        lines.fill(made, term)
        return made
    if not format or term.format == format:
        return term
    made = lines.tile(format)
    lines.copy(made, term.text)
    return made
