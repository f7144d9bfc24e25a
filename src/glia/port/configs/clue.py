"""What a file that is no Python says: one clue per thing, with its place.

entry      device, cuda            a setting or an option: `device: cuda`, `--device=cuda`
item       keywords, cuda          one text of a list under a key
variable   NCCL_DEBUG, INFO        a variable of the environment that is set
program    nvidia-smi              a command that is run
package    flash-attn, ==2.5       a package of Python or conda that is installed
system     cuda-toolkit-12-1       a package of the operating system
index      .../whl/cu121           where packages come from
image      nvidia/cuda:12.1        a container that one starts from
source     kernel, host            C++ that is written for CUDA
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Literal

ClueKind = Literal[
    "entry", "item", "variable", "program", "package", "system", "index", "image", "source"
]


@dataclass(frozen=True, slots=True)
class Clue:
    """One thing that a file says at `offset`, in characters from its start.

    `key` is in lower case with underscores for entries (`nproc-per-node` is `nproc_per_node`) and
    with dashes for packages; `value` is the text as written, `path` the keys above it. `guard` is
    that of a finding: `cuda` where a script asks first, `import` for what is optional.
    """

    kind: ClueKind
    key: str
    value: str
    offset: int
    path: tuple[str, ...] = ()
    guard: str = ""


@dataclass(frozen=True, slots=True)
class Lines:
    """Where the lines of a text start; both numbers of a place count from 1."""

    text: str
    starts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        starts = [0]
        for line in self.text.split("\n")[:-1]:
            starts.append(starts[-1] + len(line) + 1)
        object.__setattr__(self, "starts", starts)

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset."""
        line = bisect_right(self.starts, offset)
        return line, offset - self.starts[line - 1] + 1

    def line(self, number: int) -> str:
        """The text of a line, counted from 1, without its indentation."""
        start = self.starts[number - 1]
        return self.text[start:].split("\n", 1)[0].strip()

    def offset(self, line: int, column: int) -> int:
        """The offset of a line and column that count from 0."""
        return self.starts[min(line, len(self.starts) - 1)] + column


def entry_key(name: str) -> str:
    """`--Nproc-per-node` as `nproc_per_node`."""
    return name.lstrip("-").lower().replace("-", "_")


def package_key(name: str) -> str:
    """The name of a package as indexes compare them: `Flash_Attn` is `flash-attn`."""
    return name.lower().replace("_", "-").replace(".", "-")


def unquoted(text: str) -> str:
    """A text without the quotes around it."""
    if len(text) > 1 and text[0] in "\"'" and text[-1] == text[0]:
        return text[1:-1]
    return text
