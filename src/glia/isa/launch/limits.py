"""A kernel that never ends: a limit on what one launch may issue, and the loop that broke it."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

from glia.core.errors import KernelError
from glia.isa.launch.located import LocatedError, kernel_frames

VARIABLE = "GLIA_MAX_INSTRUCTIONS"
DEFAULT = 2_000_000  # about 3 GB of traced instructions; a kernel of an hour on the chip has fewer


class Budget:
    """Counts what a kernel does that could go on for ever: instructions, and tests of registers."""

    __slots__ = ("limit", "spent")

    def __init__(self, limit: int | None = None) -> None:
        self.limit = _from_environment() if limit is None else limit
        self.spent = 0

    def spend(self) -> None:
        """One more step.

        Raises:
            KernelError: beyond the limit, with the line of the loop.
        """
        self.spent += 1
        if self.spent > self.limit:
            raise _runaway(self.limit)


def _from_environment() -> int:
    text = os.environ.get(VARIABLE, str(DEFAULT))
    if not text.isdigit() or int(text) < 1:
        raise KernelError(f"reading {VARIABLE}: got {text!r}, expected a count of at least 1")
    return int(text)


def _runaway(limit: int) -> KernelError:
    frames = list(kernel_frames(sys._getframe(2)))
    text = (
        f"tracing the kernel: got more than {limit} instructions, expected an end; check the "
        f"condition of the loop, or raise the limit with {VARIABLE}"
    )
    for file, line in frames:
        loop = _loop_around(file, line)
        if loop:
            return LocatedError(f"{Path(file).name}:{loop}: this loop does not end: {text}")
    return KernelError(text)


def _loop_around(file: str, line: int) -> int:
    """First line of the loop around a line: the innermost `while`, else the outermost `for`."""
    try:
        tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return 0
    around = [
        node
        for node in ast.walk(tree)
        if isinstance(node, (ast.While, ast.For)) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    whiles = [node.lineno for node in around if isinstance(node, ast.While)]
    return max(whiles) if whiles else min((node.lineno for node in around), default=0)
