"""A kernel that never ends: a limit on what one launch may issue, and the loop that broke it."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

from glia.core.errors import KernelError, UsageError
from glia.isa.launch.located import LocatedError, kernel_frames

LOOP_VARIABLE = "GLIA_MAX_LOOP_ITERATIONS"
LOOP_DEFAULT = 100_000  # of all device loops together: seconds, where a body is a few instructions
VARIABLE = "GLIA_MAX_INSTRUCTIONS"
DEFAULT = 2_000_000  # about 3 GB of traced instructions; a kernel of an hour on the chip has fewer


class Budget:
    """Counts what could go on for ever: instructions, and iterations of device loops."""

    __slots__ = ("iterations", "limit", "loop_limit", "spent")

    def __init__(self) -> None:
        self.limit = _from_environment(VARIABLE, DEFAULT)
        self.loop_limit = _from_environment(LOOP_VARIABLE, LOOP_DEFAULT)
        self.spent = self.iterations = 0

    def spend(self) -> None:
        """One more step.

        Raises:
            KernelError: beyond the limit, with the line of the loop.
        """
        self.spent += 1
        if self.spent > self.limit:
            raise _runaway(f"{self.limit} instructions", VARIABLE)

    def iterate(self, at: tuple[str, int]) -> None:
        """One more iteration of the device loop at (file, line); it may issue nothing.

        Raises:
            KernelError: beyond the limit, with the line of the loop.
        """
        self.spend()
        self.iterations += 1
        if self.iterations > self.loop_limit:
            text = _beyond(f"{self.loop_limit} iterations of device loops", LOOP_VARIABLE)
            raise LocatedError(f"{Path(at[0]).name}:{at[1]}: this loop does not end: {text}")


def _from_environment(variable: str, default: int) -> int:
    text = os.environ.get(variable, str(default))
    if not text.isdigit() or int(text) < 1:
        raise UsageError(f"reading {variable}: got {text!r}, expected a count of at least 1")
    return int(text)


def _beyond(limit: str, variable: str) -> str:
    return (
        f"tracing the kernel: got more than {limit}, expected an end; check the condition of the "
        f"loop, or raise the limit with {variable}"
    )


def _runaway(limit: str, variable: str) -> KernelError:
    frames, text = list(kernel_frames(sys._getframe(2))), _beyond(limit, variable)
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
