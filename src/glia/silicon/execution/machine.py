"""Several cores and ranks that execute together, and values while a kernel is still traced.

Each core runs to its next meeting; a meeting whose members have all come is carried out, and they
go on. The order is fixed, and so are the values: what races would decide is refused before
(`races.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from glia.core.errors import KernelError
from glia.isa.engines import engine
from glia.isa.launch.builder import StreamBuilder
from glia.isa.launch.located import located
from glia.isa.stream import Instruction, Work
from glia.isa.target import Target
from glia.isa.tensors.addressing import address_tiles
from glia.isa.tensors.tensor import NkiTensor, Storage
from glia.silicon.execution.binding import Hbm
from glia.silicon.execution.core import AnyStep, Core, Launch, engine_arithmetic, fresh
from glia.silicon.execution.twins import Notes, NotingStep, Twins
from glia.silicon.execution.witness import WatchedStep, Witness, is_common
from glia.silicon.meetings import Member, complete, deadlock, member_of

Key = tuple[int, str, int]
"""Rank, `input` or `shared`, number: one memory of all cores of a rank."""


def advance(launches: Mapping[Member, Launch]) -> dict[Member, Instruction]:
    """Execute all as far as they go; returns who waits at a meeting that is not complete."""
    waiting: dict[Member, Instruction] = {}
    with engine_arithmetic():
        while True:
            for member, launch in launches.items():
                made = None if member in waiting else launch.advance()
                if made is not None:
                    waiting[member] = made
            groups = complete(waiting)
            if not groups:
                return waiting
            for group in groups:
                _meet(group, launches, waiting)


def _meet(
    group: tuple[Member, ...], launches: Mapping[Member, Launch], waiting: dict[Member, Instruction]
) -> None:
    made = waiting[group[0]]
    assert made.sync is not None
    if made.sync.exchange is not None:
        try:
            made.sync.exchange([launches[m].operands() for m in group])
        except KernelError as error:
            raise located(error, made.file, made.line) from None
    sent = [_sent(launches[member], waiting[member]) for member in group]
    for member, other in zip(group, reversed(sent), strict=True):
        launches[member].passed()
        witness = launches[member].witness
        if other is not None and witness is not None:
            witness.received(waiting[member], other)
        del waiting[member]


def _sent(launch: Launch, made: Instruction) -> np.ndarray | None:
    """Which elements of what a core sends to the other are defined; None: all, or no sendrecv."""
    pair = made.sync is not None and made.sync.kind == "sendrecv"
    return launch.witness.sent(made) if pair and launch.witness is not None else None


def run_together(launches: Mapping[Member, Launch], twins: Sequence[Twins] = ()) -> Seen:
    """Execute all to their ends, and compare what two cores write alike.

    Returns:
        What only the run could show.

    Raises:
        KernelError: for a deadlock, and for what only values show.
    """
    notes = Notes()
    wanted: dict[Member, set[int]] = {}
    for pair in twins:
        for member, made in zip(pair.members, pair.instructions, strict=True):
            wanted.setdefault(member, set()).add(made.index)
    for member, indices in wanted.items():
        launch, sums = launches[member], notes.of(member)
        launch.steps = [
            NotingStep(step, sums) if step.source.index in indices else step
            for step in launch.steps
        ]
    waiting = advance(launches)
    if waiting:
        raise deadlock(waiting)
    notes.check(twins)
    return _seen(launches, notes)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a run shows and no trace can: who saw it, and sums of what was written."""

    notes: Notes
    witnesses: Mapping[Member, Witness]


def _seen(launches: Mapping[Member, Launch], notes: Notes) -> Seen:
    witnesses = {m: launch.witness for m, launch in launches.items() if launch.witness is not None}
    for member, witness in witnesses.items():
        notes.of(member).update(witness.sums)
    return Seen(notes, witnesses)


class EagerCore(Core):
    """A core whose tensors have an array each: values before addresses are known."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._buffers: dict[int, np.ndarray] = {}

    def place(self, storage: Storage) -> Hbm:
        """The storage's own array; the base cancels the address, known or not."""
        found = self._buffers.get(storage.index)
        if found is None:
            shape = (storage.num_partitions, max(storage.partition_bytes, 1))
            found = self._buffers[storage.index] = np.zeros(shape, np.uint8)
        row = found.strides[0]
        return Hbm(found, -(storage.start_partition * row + storage.address))


class _Places(dict[int, Hbm]):
    """HBM storages of a kernel that is still traced, made when first touched."""

    def __init__(self, builder: StreamBuilder, shared: dict[Key, tuple[Storage, Hbm]]) -> None:
        super().__init__()
        self._builder, self._shared = builder, shared

    def __missing__(self, index: int) -> Hbm:
        storage = self._builder.storages[index]
        number = next((i for i, s in enumerate(self._builder.shared) if s is storage), None)
        if number is None:
            self[index] = fresh(storage)
            return self[index]
        key = (self._builder.place.rank, "shared", number)
        first, home = self._shared.setdefault(key, (storage, fresh(storage)))
        if (first.shape, first.dtype) != (storage.shape, storage.dtype):
            raise KernelError(
                f"shared tensor number {number}: got {storage.dtype}{list(storage.shape)} on one "
                f"core and {first.dtype}{list(first.shape)} on another, expected the same on all; "
                "allocate nl.shared_hbm tensors alike and in the same order on all cores"
            )
        self[index] = home
        return home


class Eager:
    """Executes kernels while they are traced, as far as their values are asked for."""

    def __init__(
        self, builders: Sequence[StreamBuilder], inputs: Mapping[Member, Mapping[int, Hbm]]
    ) -> None:
        self.asked = False
        self._builders = {member_of(b.place): b for b in builders}
        self._cores = {m: EagerCore(b.target) for m, b in self._builders.items()}
        self._launches: dict[Member, Launch] = {}
        self._steps: dict[Member, list[AnyStep]] = {}
        self._notes = Notes()
        shared: dict[Key, tuple[Storage, Hbm]] = {}
        for member, builder in self._builders.items():
            places = _Places(builder, shared)
            places.update(inputs[member])
            self._steps[member] = []
            witness = Witness(builder.instructions, builder.place.num_cores > 1)
            self._launches[member] = Launch(self._steps[member], places, witness)

    def settle(self) -> dict[Member, Instruction]:
        """Execute all that was issued, as far as it goes; returns who waits."""
        self.asked = True
        for member, builder in self._builders.items():
            builder.looked = True
            steps, core = self._steps[member], self._cores[member]
            several = builder.place.num_cores > 1
            witness = self._launches[member].witness
            assert witness is not None
            done = self._launches[member].position
            witness.track((builder.storages[i] for i in builder.uncertain), done)
            for made in builder.instructions[len(steps) :]:
                step = WatchedStep(core.bind(made), witness)
                noted = several and any(
                    is_common(view.storage) and view.indirection is None for view in made.writes
                )
                steps.append(NotingStep(step, self._notes.of(member)) if noted else step)
        return advance(self._launches)

    def finish(self, twins: Sequence[Twins]) -> Seen:
        """Execute the rest, and compare what two cores wrote alike; returns what the run showed.

        Raises:
            KernelError: for a deadlock, different values, and for what only values show.
        """
        waiting = self.settle()
        if waiting:
            raise deadlock(waiting)
        self._notes.check(twins)
        return _seen(self._launches, self._notes)

    def is_settled(self, member: Member) -> bool:
        """True when a core has executed all that it issued."""
        self.settle()
        return self._launches[member].position == len(self._builders[member].instructions)

    def read(self, member: Member, view: NkiTensor) -> np.ndarray:
        """A copy of what a view of this core's kernel holds."""
        tiles = address_tiles((view,))
        made = Instruction(0, "read", engine.sync, (), (view, *tiles), Work(), _nothing, 0, "")
        step = self._cores[member].bind(made)
        found = step.operands(self._launches[member].places)
        if found is None:
            raise KernelError(f"reading {view!r}: got a run-time address that is out of bounds")
        return np.array(found[0][0])

    def home(self, member: Member, storage: Storage) -> Hbm:
        """Where a storage of this core's kernel lives."""
        if storage.on_chip:
            return self._cores[member].place(storage)
        return self._launches[member].places[storage.index]


def _nothing(*_: np.ndarray) -> None:
    """Reading changes nothing."""


def peeking(
    eager: Eager, member: Member, wait: Callable[[], None] | None
) -> Callable[[NkiTensor], np.ndarray]:
    """The `peek` of a core's builder. `wait` lets the partners run, when there are any."""

    def peek(view: NkiTensor) -> np.ndarray:
        while not eager.is_settled(member):
            if wait is None:
                raise deadlock(eager.settle())
            wait()
        return eager.read(member, view)

    return peek
