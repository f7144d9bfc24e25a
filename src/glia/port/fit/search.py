"""The search for the smallest machine: every machine with the chip, every plan that it allows.

Machines are tried from the fewest chips on; then several of the largest. On each the plan with the
fewest stages and the lowest tensor parallelism that fits is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from glia.chips import Chip
from glia.chips.instances import Instance, instances_of
from glia.core.figures import Estimate
from glia.core.fit_records import (
    GOOD,
    FitVerdict,
    MachineRow,
    MemoryLedger,
    MemoryLine,
    Plan,
)
from glia.core.units import format_quantity
from glia.cost.memory.architecture import Architecture
from glia.cost.memory.ledger import (
    Workload,
    host_bytes,
    model_lines,
    weight_bytes,
    with_runtime,
)
from glia.cost.memory.quantised import Quantised
from glia.cost.memory.reserves import reserves
from glia.cost.memory.sharding import allowed_degrees

_MAX_MACHINES = 64
_MAX_STAGES = 16
_PLAIN_COUNTS = (1, 2, 4, 8, 16)  # where no machine is listed: so many chips side by side


@dataclass(frozen=True, slots=True)
class Rank:
    """What one process drives on a chip: its share of the memory and of the cores."""

    capacity_bytes: float | None
    per_chip: int
    num_cores: int
    title: str


def rank_of(chip: Chip) -> Rank:
    """A rank is the cores that share one stack of HBM, where the chip says so, else a chip."""
    memory = chip.memory.capacity
    if chip.silicon is None:
        title = "one socket" if chip.kind == "cpu" else "one chip"
        return Rank(None if memory is None else memory.value, 1, 1, title)
    cores = round(chip.silicon.hbm.cores_per_stack.value)
    per_chip = chip.silicon.num_cores // cores
    noun = "core" if cores == 1 else f"{cores} cores with their HBM stack"
    title = f"one {noun}" if cores == 1 else f"a logical core: {noun}"
    return Rank(None if memory is None else memory.value / per_chip, per_chip, cores, title)


@dataclass(frozen=True, slots=True)
class Machine:
    """`count` machines alike; `num_chips` of each. `host_bytes` None is unknown."""

    name: str
    num_chips: int
    host_bytes: float | None
    count: int = 1


def machines_of(chip: Chip) -> list[Machine]:
    """Single machines with the chip, fewest chips first, then several of the largest."""
    listed = [_machine(instance) for instance in instances_of(chip.name)]
    if not listed:
        return [Machine(f"{n} x {chip.title}", n, None) for n in _PLAIN_COUNTS]
    largest = max(listed, key=lambda m: (m.num_chips, m.host_bytes or 0))
    counts = [2**k for k in range(1, 11) if 2**k <= _MAX_MACHINES]
    return listed + [
        Machine(largest.name, largest.num_chips, largest.host_bytes, count) for count in counts
    ]


def _machine(instance: Instance) -> Machine:
    host = instance.host_memory
    return Machine(
        instance.name,
        round(instance.num_chips.value),
        None if host is None else host.value,
    )


@dataclass(slots=True)
class Search:
    """One model and workload on one chip. Ledgers of plans are kept: machines share them."""

    model: Architecture
    work: Workload
    chip: Chip
    quantised: Quantised | None
    tp: int | None = None
    pp: int | None = None
    dp: int | None = None
    _lines: dict[Plan, tuple[MemoryLine, ...]] = field(default_factory=dict)

    @property
    def rank(self) -> Rank:
        """What one process drives here."""
        return rank_of(self.chip)

    def ledger(self, plan: Plan) -> MemoryLedger:
        """The ledger of the fullest rank of a plan."""
        if plan not in self._lines:
            self._lines[plan] = model_lines(self.model, self.work, plan, self.quantised)
        runtime = reserves().kinds[self.chip.kind]
        return with_runtime(
            self._lines[plan], self.model, self.work, plan, runtime, self.rank.num_cores
        )

    def plans(self, machine: Machine) -> Iterator[Plan]:
        """Every plan that the machine has ranks for, the simplest first.

        Tensor parallelism stays inside one machine. Training fills the ranks with data parallelism.
        """
        inside = machine.num_chips * self.rank.per_chip
        total = inside * machine.count
        degrees = (self.tp,) if self.tp else allowed_degrees(self.model, inside)
        for pp in self._stage_counts():
            for tp in degrees:
                copies = total // (tp * pp)
                dp = self.dp or (copies if self.work.job == "train" else 1)
                if tp <= inside and 1 <= dp <= copies:
                    yield Plan(tp, pp, dp)

    def _stage_counts(self) -> tuple[int, ...]:
        if self.pp:
            return (self.pp,)
        most = min(_MAX_STAGES, max(1, len(self.model.layers)))
        if self.model.traced is not None:
            most = 1
        return tuple(2**k for k in range(5) if 2**k <= most)

    def row(self, machine: Machine) -> MachineRow | None:
        """The best plan on a machine; None when it has no rank for any."""
        best: tuple[Plan, MemoryLedger, FitVerdict] | None = None
        capacity = self._capacity(machine)
        for plan in self.plans(machine):
            ledger = self.ledger(plan)
            found = judge(ledger, capacity)
            if best is None or _is_better(found, ledger, best[2], best[1]):
                best = (plan, ledger, found)
            if found == GOOD[0]:
                break
        return None if best is None else self._row(machine, capacity, *best)

    def _capacity(self, machine: Machine) -> float | None:
        """Bytes of one rank; a CPU's are those of the machine."""
        if self.chip.kind == "cpu" and machine.host_bytes is not None:
            return machine.host_bytes / machine.num_chips
        return self.rank.capacity_bytes

    def _row(
        self,
        machine: Machine,
        capacity: float | None,
        plan: Plan,
        ledger: MemoryLedger,
        verdict: FitVerdict,
    ) -> MachineRow:
        host = host_bytes(weight_bytes(self.model, self.work, 1, self.quantised).likely)
        why = _why(ledger, capacity, verdict)
        if machine.host_bytes is not None and self.chip.kind != "cpu":
            if host.low > machine.host_bytes:
                verdict = "does not fit"
                why = f"{why}; loading takes {host} of host memory, it has {_gib(machine)}"
            elif host.likely > machine.host_bytes:
                why = f"{why}; its host memory, {_gib(machine)}, holds no whole checkpoint"
        return MachineRow(
            name=machine.name,
            num_machines=machine.count,
            num_chips=machine.num_chips * machine.count,
            num_ranks=machine.num_chips * machine.count * self.rank.per_chip,
            plan=plan,
            needed=ledger.total,
            capacity_bytes=capacity,
            largest=ledger.largest.name,
            host_needed=host,
            host_bytes=machine.host_bytes,
            verdict=verdict,
            why=why,
        )


def judge(ledger: MemoryLedger, capacity: float | None) -> FitVerdict:
    """Whether a rank holds its ledger: by the range of the total against the capacity."""
    total = ledger.total
    if capacity is None:
        return "unknown"
    if total.low > capacity:
        return "does not fit"
    if not ledger.is_complete:
        return "unknown"
    if total.high <= capacity:
        return "fits"
    return "should fit" if total.likely <= capacity else "unlikely"


_ORDER: tuple[FitVerdict, ...] = ("fits", "should fit", "unknown", "unlikely", "does not fit")


def _is_better(
    verdict: FitVerdict, ledger: MemoryLedger, best: FitVerdict, best_ledger: MemoryLedger
) -> bool:
    """A better verdict wins; among those that do not fit, the smaller need."""
    if verdict != best:
        return _ORDER.index(verdict) < _ORDER.index(best)
    return verdict not in GOOD and ledger.total.likely < best_ledger.total.likely


def _why(ledger: MemoryLedger, capacity: float | None, verdict: FitVerdict) -> str:
    need: Estimate = ledger.total
    if capacity is None:
        return f"a rank needs {need}; its memory is not known"
    has = format_quantity(capacity, "B")
    largest = ledger.largest
    size = (
        "unknown" if largest.num_bytes is None else format_quantity(largest.num_bytes.likely, "B")
    )
    if verdict in GOOD:
        return f"{need} of {has} per rank"
    if verdict == "unknown":
        unknown = ", ".join(line.name for line in ledger.lines if line.num_bytes is None)
        return f"at least {format_quantity(need.low, 'B')} of {has}; unknown: {unknown}"
    return f"a rank needs {need} and has {has}; the largest part is {largest.name} ({size})"


def _gib(machine: Machine) -> str:
    return format_quantity(machine.host_bytes or 0, "B")
