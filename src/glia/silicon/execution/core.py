"""Values: one NeuronCore's memories as bytes, and the execution of traced streams on them.

A stream is bound to the core once (every SBUF and PSUM view becomes a NumPy array) and replayed
any number of times; only HBM views are bound per launch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from itertools import islice

import numpy as np

from glia.core.errors import KernelError
from glia.core.threads import one_blas_thread
from glia.isa.stream import Instruction, Stream
from glia.isa.target import PARTITIONS, Target
from glia.isa.tensors.tensor import Storage
from glia.silicon.execution.binding import Hbm, Step, bind
from glia.silicon.execution.twins import NotingStep
from glia.silicon.execution.witness import WatchedStep, Witness, is_common
from glia.silicon.meetings import deadlock, member_of

AnyStep = Step | WatchedStep | NotingStep


@contextmanager
def engine_arithmetic() -> Iterator[None]:
    """Engines give inf and NaN without a word, and share this process's cores with no one."""
    with one_blas_thread(), np.errstate(all="ignore"):
        yield


class Core:
    """One core of a chip: SBUF and PSUM as uint8 [128, bytes per partition]."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.sbuf = np.zeros((PARTITIONS, target.sbuf_bytes), np.uint8)
        self.psum = np.zeros((PARTITIONS, target.psum_bytes), np.uint8)
        self._registers: dict[str, np.ndarray] = {}
        self._plans: dict[int, tuple[Stream, list[Step]]] = {}

    def run(self, stream: Stream, hbm: Mapping[int, Hbm]) -> None:
        """Execute every instruction of a stream that has no partners, in program order.

        `hbm` places each HBM storage of the stream (by index) except scratch and constants.

        Raises:
            KernelError: for what only values can show, such as a gather index out of bounds; names
                the kernel's file and line.
        """
        launch = self.launch(stream, hbm)
        with engine_arithmetic():
            waiting = launch.advance()
        if waiting is not None:
            raise deadlock({member_of(stream.place): waiting})

    def launch(self, stream: Stream, hbm: Mapping[int, Hbm]) -> Launch:
        """A launch of the stream that has yet to begin."""
        steps: Sequence[AnyStep] = self._plan(stream)
        witness = witness_of(stream)
        if witness is not None:
            steps = [WatchedStep(step, witness) for step in self._plan(stream)]
        return Launch(steps, places_of(stream, hbm), witness)

    def _plan(self, stream: Stream) -> list[Step]:
        known = self._plans.get(id(stream))
        if known is None:
            known = (stream, [self.bind(made) for made in stream.instructions])
            self._plans[id(stream)] = known
        return known[1]

    def bind(self, made: Instruction) -> Step:
        """Arrays for the operands on this core."""
        return bind(made, self.place)

    def place(self, storage: Storage) -> Hbm:
        """The memory that holds an on-chip storage, and what to add to its address."""
        if storage.memory == "register":
            shape = (PARTITIONS, storage.partition_bytes)
            return Hbm(self._registers.setdefault(storage.name, np.zeros(shape, np.uint8)))
        return Hbm(self.sbuf if storage.memory == "sbuf" else self.psum)


class Launch:
    """A stream on its way through a core, from meeting to meeting.

    `steps` may grow while it runs; `places` holds the HBM storages by index. `witness` follows it
    where the trace left something open.
    """

    def __init__(
        self,
        steps: Sequence[AnyStep],
        places: MutableMapping[int, Hbm],
        witness: Witness | None = None,
    ) -> None:
        self.steps: Sequence[AnyStep] = steps
        self.places = places
        self.witness = witness
        self.position = 0

    def advance(self) -> Instruction | None:
        """Execute up to the next meeting, which is returned, or to the end of the steps: None."""
        places = self.places
        for step in islice(self.steps, self.position, None):
            if step.source.sync is not None:
                return step.source
            step.run(places)
            self.position += 1
        return None

    def operands(self) -> list[np.ndarray]:
        """The bound arrays of the instruction it stands at, writes first."""
        found = self.steps[self.position].operands(self.places)
        return [] if found is None else found[0]

    def passed(self) -> None:
        """Leave the meeting it stands at."""
        self.steps[self.position].passed(self.places)
        self.position += 1


def witness_of(stream: Stream) -> Witness | None:
    """Who follows a launch of the stream; None when its trace shows all."""
    several = stream.place.num_cores > 1
    met = several and any(
        (made.sync is not None and made.sync.kind == "sendrecv")
        or any(v.indirection and is_common(v.storage) for v in (*made.writes, *made.reads))
        for made in stream.instructions
    )
    if not met and not stream.uncertain:
        return None
    witness = Witness(stream.instructions, several)
    witness.track((s for s in stream.storages if s.index in stream.uncertain), 0)
    return witness


def places_of(stream: Stream, hbm: Mapping[int, Hbm]) -> dict[int, Hbm]:
    """`hbm` with memory for scratch and constants added.

    Raises:
        KernelError: for an input or output without a place.
    """
    places = dict(hbm)
    for storage in stream.storages:
        if storage.on_chip or storage.index in places:
            continue
        if storage.role in ("input", "output"):
            raise KernelError(
                f"running {stream.name}: got no memory for {storage.role} {storage.name}, "
                "expected an array for every input and output"
            )
        places[storage.index] = fresh(storage)
    return places


def fresh(storage: Storage) -> Hbm:
    """New memory for an HBM storage: its constant, else zeros.

    Where it is written at run-time places, what they leave out cannot be refused beforehand; it is
    NaN there, and 4 in integers, as in the public simulator (nki/guides/nki_simulator.rst).
    """
    if storage.data is not None:
        return Hbm.of(np.ascontiguousarray(storage.data))
    if not storage.scattered or storage.dtype.is_packed:
        return Hbm(np.zeros(max(storage.extent_bytes, 1), np.uint8))
    kind = storage.dtype.numpy
    unknown = np.nan if storage.dtype.is_float else 4
    return Hbm.of(np.full(max(storage.extent_bytes // kind.itemsize, 1), unknown).astype(kind))
