"""What a rule about a graph is: a porting rule that looks at operations instead of source code.

It has the fields of every porting rule. Its examples are small models, which its test runs through
PyTorch: it must speak on the bad one and be silent on the good one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from glia.chips import Chip
from glia.core.records import SourceLine
from glia.frontends.operations import Operation
from glia.port.rules.rule import LEAVE, Advice, Family, Rule

# Says what is wrong with one operation, in a few words; empty when nothing is.
Look = Callable[[Operation], str]


@dataclass(frozen=True, slots=True)
class GraphRule(Rule):
    """A rule that speaks on an operation (`look`), on some among all (`look_at_all`), or that the
    job raises by itself.

    `on_chip` corrects the advice for one chip, by what the chip can do. `needs_capture`: the rule
    tells composites apart, which only a captured graph has. `reads_values`: it also looks at a
    call that was watched, for the numbers that were seen. `is_avoidable`: what happens is not
    known, what surely avoids it is. `codes` are the codes of the Neuron compiler that it predicts.
    """

    look: Look | None = None
    look_at_all: Callable[[Sequence[Operation]], Iterator[tuple[Operation, str]]] | None = None
    on_chip: Callable[[Chip], Advice | None] | None = None
    needs_capture: bool = False
    reads_values: bool = False
    is_avoidable: bool = False
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Spoken:
    """One rule at one line of the user's code, and what it saw there."""

    rule: GraphRule
    source: SourceLine | None
    detail: str


def place(source: SourceLine | None) -> tuple[str, int]:
    """File and line; what has no line stands before all others."""
    return (source.file, source.line) if source is not None else ("", 0)


UNKNOWN = Advice("unknown", "nothing is documented for this family: try it there", "none")


def on(
    neuron: Advice, tpu: Advice = UNKNOWN, rocm: Advice = LEAVE, cpu: Advice = LEAVE
) -> Mapping[Family, Advice]:
    """What a rule means on each family; it did run on the CPU, and ROCm runs what CUDA runs."""
    return {"neuron": neuron, "tpu": tpu, "rocm": rocm, "cpu": cpu}


def example(body: str, inputs: str = "torch.ones(4, 4)") -> str:
    """A small model as its file: `body` are the lines of forward(x)."""
    lines = "\n".join(f"        {line}" for line in body.split("\n"))
    return (
        "import torch\nimport torch.nn.functional as F\n\n\n"
        f"class Model(torch.nn.Module):\n    def forward(self, x):\n{lines}\n\n\n"
        f"def model():\n    return Model(), {inputs}\n"
    )


def named(*names: str) -> Look:
    """Speaks on operations of PyTorch by name."""
    wanted = frozenset(names)

    def look(operation: Operation) -> str:
        return operation.name if base_name(operation) in wanted else ""

    return look


def base_name(operation: Operation) -> str:
    """The name without the marks of in-place and internal forms: `_linalg_svd`, `add_`."""
    name = operation.name
    return name if name.startswith("__") else name.strip("_")


def is_integer(dtype: str, *bits: int) -> bool:
    """True for a format of integers, of some widths where they are given."""
    if not dtype.startswith(("int", "uint")):
        return False
    return not bits or int(dtype.removeprefix("u").removeprefix("int")) in bits
