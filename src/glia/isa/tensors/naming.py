"""What a kernel calls a tensor: the variable that its source line assigns the allocation to."""

from __future__ import annotations

import linecache
import re

# One allocation and nothing around it: in `y = nl.exp(nl.load(x))` the loaded tile is not y.
_ASSIGNMENT = re.compile(
    r"\s*(\w+)\s*(?::[^=]+)?=\s*(?:\w+\.)*(?:ndarray|zeros|ones|full|load|empty_like|zeros_like)\("
)


def assigned_name(file: str, line: int) -> str:
    """The variable that this line of a kernel assigns a new tensor to; empty where it is unclear.

    Reads the source: for texts that are shown, not for tables of names.
    """
    found = _ASSIGNMENT.match(linecache.getline(file, line))
    return found[1] if found else ""
