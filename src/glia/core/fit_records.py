"""Records of `glia fit`: what a model takes in memory, per rank, chip and machine.

A *rank* is what one process drives: one GPU, or the cores that share one stack of HBM on a Neuron
chip. A *plan* says how many ranks share the model: tensor, pipeline and data parallelism.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from glia.core.figures import Estimate

FitVerdict = Literal["fits", "should fit", "unlikely", "does not fit", "unknown"]
# Verdicts with which one would go ahead.
GOOD: tuple[FitVerdict, ...] = ("fits", "should fit")


@dataclass(frozen=True, slots=True)
class Plan:
    """Degrees of tensor, pipeline and data parallelism: `tp * pp * dp` ranks."""

    tp: int = 1
    pp: int = 1
    dp: int = 1

    @property
    def num_ranks(self) -> int:
        """Ranks that the plan uses."""
        return self.tp * self.pp * self.dp

    def __str__(self) -> str:
        parts = [f"tp {self.tp}"]
        parts += [f"{name} {n}" for name, n in (("pp", self.pp), ("dp", self.dp)) if n > 1]
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class MemoryLine:
    """One entry of a ledger in bytes; None is unknown. `what` says what it holds."""

    name: str
    num_bytes: Estimate | None
    what: str


@dataclass(frozen=True, slots=True)
class MemoryLedger:
    """What one rank holds at its peak. `total` sums the known lines; None when none is known."""

    lines: tuple[MemoryLine, ...]
    total: Estimate
    is_complete: bool

    @property
    def largest(self) -> MemoryLine:
        """The line with the most likely bytes."""
        return max(self.lines, key=lambda line: line.num_bytes.likely if line.num_bytes else 0)


@dataclass(frozen=True, slots=True)
class DegreeRow:
    """One degree of tensor parallelism: whether the model's sizes allow it, and what a rank holds.

    `num_bytes` are the model's own bytes on one rank (weights, gradients, optimizer, activations,
    KV cache), by line; empty where the degree is not allowed.
    """

    degree: int
    is_allowed: bool
    problems: tuple[str, ...]
    remarks: tuple[str, ...]
    lines: tuple[MemoryLine, ...]
    total: Estimate | None


@dataclass(frozen=True, slots=True)
class MachineRow:
    """One machine, or several alike, with the best plan found on it.

    `needed` is what a rank of that plan holds, `capacity_bytes` what it has (None: unknown).
    """

    name: str
    num_machines: int
    num_chips: int
    num_ranks: int
    plan: Plan
    needed: Estimate
    capacity_bytes: float | None
    largest: str
    host_needed: Estimate
    host_bytes: float | None
    verdict: FitVerdict
    why: str

    @property
    def title(self) -> str:
        """`4 x trn1.32xlarge`, or the name alone."""
        return self.name if self.num_machines == 1 else f"{self.num_machines} x {self.name}"


@dataclass(frozen=True, slots=True)
class TargetFit:
    """The answer for one chip: the smallest machine that works, and the ones that do not.

    `ledger` is of the smallest machine, or of the largest tried when none works. `would_fit` are
    single changes with which the next smaller machine works.
    """

    chip: str
    title: str
    rank: str
    ranks_per_chip: int
    capacity_bytes: float | None
    machines: tuple[MachineRow, ...]
    smallest: MachineRow | None
    ledger: MemoryLedger
    shown: MachineRow
    would_fit: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FitModel:
    """The model: its exact sizes. `basis` says how it was counted."""

    name: str
    family: str
    basis: str
    num_parameters: int
    num_tensors: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    vocab_size: int
    stored_dtype: str
    quantisation: str


@dataclass(frozen=True, slots=True)
class FitReport:
    """One run of `glia fit`. `settings` are what was asked, defaults filled in.

    `whole` is the ledger of the model on one rank, without the runtime of any chip.
    """

    model: FitModel
    job: Literal["train", "serve"]
    settings: Mapping[str, str]
    whole: tuple[MemoryLine, ...]
    degrees: tuple[DegreeRow, ...]
    targets: tuple[TargetFit, ...]
    notes: tuple[str, ...]
    format: int = 1
