"""When the engines of a core run their instructions: in order, one at a time, on shared ports."""

from __future__ import annotations

from glia.isa.engines import engine
from glia.isa.stream import ArrayTile, Instruction
from glia.silicon.hazards import track
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
        self._ports = {"sbuf": Capacity(1), "psum": Capacity(1)}
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
        timing, found = self._timing, []
        if timing.vector_gpsimd_share_port and one.engine in (engine.vector, engine.gpsimd):
            found.append("sbuf")
        if timing.psum_one_at_a_time and one.engine in (engine.vector, engine.scalar):
            found.append("psum")
        return [
            self._ports[memory]
            for memory in found
            if any(view.storage.memory == memory for view in (*one.writes, *one.reads))
        ]


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
