"""Bytes of one quantised matrix, tensor by tensor, as the public formats store it.

A matrix has `rows` outputs and `columns` inputs; a stack of them (experts) counts each. A range has
(least, likely, most) bytes: they differ where a runtime may drop a tensor.
"""

from __future__ import annotations

import math
from collections.abc import Callable

Range = tuple[float, float, float]
Layout = Callable[[int, int], Range]

_WORD_BITS = 32  # packed formats store whole 32-bit words


def packed_groups(bits: int, group: int, *, zeros: bool, order: bool) -> Layout:
    """GPTQ and AWQ: packed words, and per group of inputs a float16 scale and a packed zero point.

    `order` adds GPTQ's index of the group of every input. `group` 0: all inputs are one. Kernels
    for symmetric weights drop zero points and order (the least).
    """

    def layout(rows: int, columns: int) -> Range:
        groups = math.ceil(columns / group) if group else 1
        least = 4.0 * math.ceil(rows * columns * bits / _WORD_BITS) + 2.0 * groups * rows
        whole = least + (4.0 * groups * math.ceil(rows * bits / _WORD_BITS) if zeros else 0.0)
        whole += 4.0 * columns if order else 0.0
        return (least if order else whole), whole, whole

    return layout


def blocks(
    bits: int, block: tuple[int, int], scale_bytes: float, per_matrix: float = 0.0
) -> Layout:
    """Numbers of `bits`, a scale per block of (rows, columns), 0 meaning all of them."""

    def layout(rows: int, columns: int) -> Range:
        down = math.ceil(rows / block[0]) if block[0] else 1
        across = math.ceil(columns / block[1]) if block[1] else 1
        found = math.ceil(rows * columns * bits / 8) + scale_bytes * down * across + per_matrix
        return found, found, found

    return layout


def bitsandbytes_4bit(is_nested: bool) -> Layout:
    """Half a byte each and a float32 maximum per 64, or nested a byte, and a float32 per 256 bytes.

    The table of 16 float32 (and of 256, and an offset, when nested) is saved with every matrix; the
    least leaves it out, for the library shares what it makes itself.
    """

    def layout(rows: int, columns: int) -> Range:
        count = math.ceil(rows * columns / 64)
        scales = count + 4 * math.ceil(count / 256) if is_nested else 4 * count
        least = float(math.ceil(rows * columns / 2) + scales)
        tables = 64 + (4 * 256 + 4 if is_nested else 0)
        return least, least + tables, least + tables

    return layout


def between(least: float, likely: float, most: float) -> Layout:
    """Bytes per number, for what is not modelled."""

    def layout(rows: int, columns: int) -> Range:
        count = rows * columns
        return least * count, likely * count, most * count

    return layout
