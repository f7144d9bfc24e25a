"""When the engines of a core run their instructions: in order, one at a time, on shared ports."""

from __future__ import annotations

from glia.isa.engines import engine
from glia.isa.stream import ArrayTile, Instruction
from glia.silicon.hazards import track
from glia.silicon.regions import region
from glia.silicon.time.capacity import Capacity
from glia.silicon.time.cost import Cost
from glia.silicon.time.throttle import Throttle
from glia.silicon.time.timing import Timing


class EngineClock:
    """The engines of one core: until when each is taken, and how long it was active."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._throttle = Throttle(timing.throttle_fraction, timing.throttle_ramp_s)
        self._table = ""
        self._array: list[tuple[ArrayTile | None, float]] = []  # what runs on it, until when
        self._issued = 0.0  # start of the Tensor engine's latest instruction
        self._ports: dict[str | int, Capacity] = {}  # by memory, or by number of the PSUM bank
        self.free_s: dict[str, float] = {}
        self.busy_s: dict[str, float] = {}

    def free_at(self, one: Instruction, ready: float) -> float:
        """The earliest that an instruction's engine or queue could take it."""
        return max(ready, self.free_s.get(track(one), 0.0))

    def hold(self, one: Instruction, until: float) -> None:
        """Keep an instruction's engine or queue taken without activity."""
        name = track(one)
        self.free_s[name] = max(until, self.free_s.get(name, 0.0))

    def run(self, one: Instruction, cost: Cost, ready: float) -> tuple[float, float]:
        """Start and end of an instruction whose operands are there at `ready`."""
        if one.engine is engine.tensor:
            return self._on_array(one.work.tile, cost, ready)
        name = one.engine.name
        start = max(self.free_s.get(name, 0.0), ready)
        duration = cost.seconds
        if one.work.table and one.work.table != self._table:
            self._table = one.work.table
            duration += self._timing.table_load_s
        ports = self._exclusive(one)
        start = _when_all_free(ports, start, duration)
        for port in ports:
            port.take(start, duration, 1)
        self._occupy(name, start, start + duration)
        return start, start + duration

    def take(self, name: str, start: float, seconds: float) -> None:
        """Engine time that something else needs, such as descriptors that GpSimd builds."""
        self._occupy(name, start, start + seconds)

    def _occupy(self, name: str, start: float, end: float) -> None:
        before = self.free_s.get(name, 0.0)
        self.free_s[name] = max(before, end)
        self.busy_s[name] = self.busy_s.get(name, 0.0) + max(0.0, end - max(start, before))

    def _on_array(self, tile: ArrayTile | None, cost: Cost, ready: float) -> tuple[float, float]:
        """Products on tiles without a common cell overlap; they issue one after the other."""
        issue = self._issued + self._timing.array_issue_s if tile is not None else 0.0
        start = max(ready, issue)
        still = []
        for other, end in self._array:
            if _share_cells(tile, other):
                start = max(start, end)
            elif end > start:
                still.append((other, end))
        end = self._throttle.run(start, cost.seconds, cost.share)
        self._issued = start
        self._array = [*(e for e in still if e[1] > start), (tile, end)]
        self._occupy(engine.tensor.name, start, end)
        return start, end

    def _exclusive(self, one: Instruction) -> list[Capacity]:
        """The ports that this instruction cannot share with another engine on this chip."""
        timing, names = self._timing, list[str | int]()
        if one.engine in (engine.vector, engine.gpsimd) and self._takes_sbuf_port(one):
            names.append("sbuf")
        if one.engine in (engine.vector, engine.scalar):
            if timing.psum_one_at_a_time:
                names += ["psum"] if _touches(one, "psum") else []
            elif timing.psum_bank_bytes:
                names += _banks(one, timing.psum_bank_bytes)
        return [self._ports.setdefault(name, Capacity(1)) for name in names]

    def _takes_sbuf_port(self, one: Instruction) -> bool:
        """Vector and GpSimd share it always, or while Vector runs faster than an element a cycle.

        Source: aws-neuron-sdk nki/guides/architecture/trainium2_arch.rst (the performance modes
        use a bus that is shared with GpSimd; the hardware arbitrates).
        """
        timing = self._timing
        if not (timing.vector_gpsimd_share_port or timing.vector_modes_borrow_port):
            return False
        if not _touches(one, "sbuf"):
            return False
        if timing.vector_gpsimd_share_port or one.engine is engine.gpsimd:
            return True
        return one.work.cycles < max(view.free_size for view in (*one.writes, *one.reads))


def _touches(one: Instruction, memory: str) -> bool:
    return any(view.storage.memory == memory for view in (*one.writes, *one.reads))


def _banks(one: Instruction, bank_bytes: int) -> list[str | int]:
    """The PSUM banks that an instruction reads or writes."""
    found: set[str | int] = set()
    for view in (*one.writes, *one.reads):
        if view.storage.memory == "psum":
            area = region(view)
            found.update(range(area.low // bank_bytes, (area.high - 1) // bank_bytes + 1))
    return sorted(found, key=int)


def _when_all_free(ports: list[Capacity], start: float, seconds: float) -> float:
    while True:
        found = max((port.find(start, seconds, 1) for port in ports), default=start)
        if found == start:
            return start
        start = found


def _share_cells(a: ArrayTile | None, b: ArrayTile | None) -> bool:
    if a is None or b is None:
        return True
    rows = a.row < b.row + b.rows and b.row < a.row + a.rows
    return rows and a.column < b.column + b.columns and b.column < a.column + a.columns
