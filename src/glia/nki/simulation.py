"""`nki.simulate`: kernels on the virtual chip, with arrays of NumPy or PyTorch.

A kernel is traced without values and then replayed. One that asks for data while it is traced (a
register loaded from a tensor, `print(tile)`) is executed while it is traced instead.
Source: aws-neuron-sdk nki/guides/nki_simulator.rst.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from glia.core.collection import no_collection
from glia.core.errors import KernelError, UsageError
from glia.isa.launch.context import CURRENT
from glia.isa.stream import Place, Stream
from glia.isa.target import Target
from glia.isa.tensors.tensor import NkiTensor, Storage, on_show
from glia.isa.unspecified import UnspecifiedWarning
from glia.nki.arguments import DEVICE_FORMATS, HostArray, is_array, is_torch, map_leaves, to_host
from glia.nki.kernel import Kernel, Tracer, outputs_of
from glia.nki.target import current_target
from glia.silicon.execution.core import Core, Hbm, fresh
from glia.silicon.execution.machine import Eager, Seen, peeking, run_together
from glia.silicon.execution.races import Key, check_shared, shared_keys
from glia.silicon.execution.turns import Turns
from glia.silicon.execution.twins import Twins
from glia.silicon.meetings import Member, deadlock


@dataclass(frozen=True, slots=True)
class Run:
    """What one rank's launch gave: the kernel's result, and the stream of each of its cores."""

    result: Any
    streams: tuple[Stream, ...]


class Simulation:
    """A kernel on the virtual chip: call it with arrays, on one rank."""

    def __init__(self, kernel: Kernel, target: str | None = None) -> None:
        self.kernel = kernel
        self.target = target

    def __getitem__(self, cores: Any) -> Simulation:
        """The simulation of `kernel[cores]`."""
        return Simulation(self.kernel[cores], self.target)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The kernel's result in the caller's framework; arrays that it writes are updated.

        Raises:
            KernelError: for whatever the chip refuses, with the kernel's file and line.
        """
        return self.run(*args, **kwargs).result

    def run(self, *args: Any, **kwargs: Any) -> Run:
        """The result together with the streams that gave it, traced once."""
        return _launch(self.kernel, self._target(), [(args, kwargs)])[0]

    def _target(self) -> Target:
        return current_target(self.target or self.kernel.platform_target)


class RankSimulation(Simulation):
    """A kernel on several ranks at once, which meet in collectives."""

    def __init__(self, kernel: Kernel, num_ranks: int, target: str | None = None) -> None:
        super().__init__(kernel, target)
        self.num_ranks = num_ranks

    def __getitem__(self, cores: Any) -> RankSimulation:
        """The simulation of `kernel[cores]` on every rank."""
        return RankSimulation(self.kernel[cores], self.num_ranks, self.target)

    def __call__(self, ranks: Sequence[Any], **common: Any) -> list[Any]:
        """One result per rank. `ranks` holds each rank's arguments: a tuple, or a dict by name.

        `common` arguments are the same for all; arrays among them are copied for each rank.
        """
        return [run.result for run in self.run(ranks, **common)]

    def run(self, ranks: Sequence[Any], **common: Any) -> list[Run]:  # type: ignore[override]
        """The runs of all ranks."""
        if len(ranks) != self.num_ranks:
            raise KernelError(
                f"simulating {self.kernel.name}: got arguments for {len(ranks)} ranks, expected "
                f"{self.num_ranks}"
            )
        calls = []
        for given in ranks:
            own = {k: map_leaves(v, _copied) for k, v in common.items()}
            if isinstance(given, Mapping):
                calls.append(((), {**given, **own}))
            else:
                calls.append((tuple(given), own))
        return _launch(self.kernel, self._target(), calls)


def _copied(value: Any, _: str) -> Any:
    return (value.clone() if is_torch(value) else np.array(value)) if is_array(value) else value


def simulate(kernel: Callable[..., Any], target: str | None = None) -> Simulation:
    """Make a kernel, or a plain function, run on the virtual chip: `simulate(kernel)(arrays...)`.

    `simulate(kernel)[2]` and `simulate(kernel[2])` run it on two cores. Results are torch tensors
    when an argument was one, else NumPy arrays. `target` names a chip or a generation; else the
    environment does.
    """
    _warn_of_precision()
    return Simulation(kernel if isinstance(kernel, Kernel) else Kernel(kernel), target)


def simulate_ranks(
    kernel: Callable[..., Any], num_ranks: int, target: str | None = None
) -> RankSimulation:
    """Make a kernel run on `num_ranks` virtual ranks in this process (for `nki.collectives`).

    `simulate_ranks(kernel, 2)([(x0,), (x1,)], group=g)` gives a list of two results.
    """
    if isinstance(num_ranks, bool) or not isinstance(num_ranks, int) or num_ranks < 1:
        raise KernelError(f"nki.simulate_ranks: got {num_ranks!r} ranks, expected at least 1")
    _warn_of_precision()
    found = kernel if isinstance(kernel, Kernel) else Kernel(kernel)
    return RankSimulation(found, num_ranks, target)


def _warn_of_precision() -> None:
    if os.environ.get("NKI_PRECISE_FP", "1") == "0":
        warnings.warn(
            "NKI_PRECISE_FP=0 has no effect: glia keeps every tensor in its own dtype, as the "
            "chip does; trace the kernel with float32 arguments to see it without rounding",
            stacklevel=3,
        )


# -- one launch --------------------------------------------------------------------------------


class _Rank:
    """One rank's arguments: the arrays of the host, and the call with specs in their place."""

    def __init__(self, kernel: Kernel, args: Any, kwargs: Any) -> None:
        self.kernel = kernel
        self.arrays: list[HostArray] = []
        self.names: list[str] = []
        self.bound = kernel.bound(args, kwargs)
        for key, value in self.bound.arguments.items():
            self.bound.arguments[key] = map_leaves(value, self._taken, key)
        self.torch = any(is_torch(array.given) for array in self.arrays)

    def _taken(self, value: Any, key: str) -> Any:
        if not is_array(value):
            return value
        what = f"kernel {self.kernel.name}, argument {key}"
        try:
            host = HostArray.of(value)
            spec = host.spec
        except UsageError:
            formats = ", ".join(DEVICE_FORMATS)
            raise KernelError(
                f"{what}: got an array of {value.dtype}, expected a format of the chip: {formats}"
            ) from None
        self.arrays.append(host)
        self.names.append(key)
        return spec

    def places(self, inputs: Sequence[Storage]) -> dict[int, Hbm]:
        """Where the inputs live: the host's own memory where it is dense."""
        pairs = zip(inputs, self.arrays, strict=True)
        return {storage.index: Hbm.of(host.dense) for storage, host in pairs}

    def put_back(self, streams: Sequence[Stream]) -> None:
        """Update the caller's arrays that the kernel wrote."""
        for number in sorted({i for s in streams for i in _written_inputs(s)}):
            host = self.arrays[number]
            others = [a for i, a in enumerate(self.arrays) if i != number]
            if any(np.may_share_memory(host.view, other.view) for other in others):
                raise KernelError(
                    f"kernel {self.kernel.name} writing argument {self.names[number]}: got memory "
                    "that another argument shares, expected memory of its own; pass a copy"
                )
            host.put_back()


def _written_inputs(stream: Stream) -> set[int]:
    numbers = {s.index: i for i, s in enumerate(stream.inputs)}
    found: set[int] = set()
    for made in stream.instructions:
        if made.sync is None or made.sync.kind != "barrier":
            found.update(
                numbers[v.storage.index] for v in made.writes if v.storage.index in numbers
            )
    return found


def _launch(kernel: Kernel, target: Target, calls: Sequence[tuple[Any, Any]]) -> list[Run]:
    """Trace, check and execute on all cores of all ranks; one Run per rank."""
    kernel.check_cores(target)
    ranks = [_Rank(kernel, args, kwargs) for args, kwargs in calls]
    tracers: dict[Member, Tracer] = {}
    for number, rank in enumerate(ranks):
        for core in range(kernel.cores):
            place = Place(core, kernel.cores, number, len(ranks))
            tracers[number, core] = Tracer(kernel, target, place, rank.bound)
    inputs = {
        m: ranks[m[0]].places([view.storage for view in t.inputs]) for m, t in tracers.items()
    }
    eager = Eager([t.builder for t in tracers.values()], inputs)
    with no_collection():
        _trace(tracers, eager)
        streams = {m: t.finish() for m, t in tracers.items()}
    twins = check_shared(list(streams.values())).twins
    _check_results(tracers, streams)
    home: Home
    if eager.asked:
        home, seen = eager.home, eager.finish(twins)
    else:
        home, seen = _replay(target, streams, inputs, twins)
    _check_again(tracers, streams, seen)
    runs = []
    for number, rank in enumerate(ranks):
        own = tuple(s for m, s in streams.items() if m[0] == number)
        rank.put_back(own)
        runs.append(Run(_result(tracers[number, 0], rank, home), own))
    return runs


def _check_again(
    tracers: Mapping[Member, Tracer], streams: Mapping[Member, Stream], seen: Seen
) -> None:
    """What only the addresses of the run show: races, and results of which a part was left out."""
    left_out = [
        view
        for member, witness in seen.witnesses.items()
        for view in outputs_of(tracers[member].result, tracers[member].kernel.name)
        if witness.missing(view)
    ]
    if any(witness.addresses for witness in seen.witnesses.values()):
        addresses = {member: witness.addresses for member, witness in seen.witnesses.items()}
        checked = check_shared(list(streams.values()), addresses)
        seen.notes.check(checked.twins)
        _warn_of_clashes(pair for pair in checked.clashes if seen.notes.differ(pair))
        left_out += map(NkiTensor.whole, checked.left_out)
    kernel = next(iter(tracers.values())).kernel
    for text in dict.fromkeys(map(repr, left_out)):
        warnings.warn_explicit(
            f"kernel {kernel.name} returning {text}: got elements that no write at a run-time "
            "address of this run reached, expected all written; on the chip they hold anything: "
            "fill the tensor first, or leave them unread",
            UnspecifiedWarning,
            *kernel.place,
        )


def _warn_of_clashes(clashes: Iterable[Twins]) -> None:
    """Rows that scatters of two cores both wrote: undefined, harmless where nobody reads them."""
    places = {
        (made.file, made.line, other.file, other.line): made.op
        for made, other in (pair.instructions for pair in clashes)
    }
    for (file, line, other_file, other_line), op in places.items():
        warnings.warn_explicit(
            f"{op} scattering: got rows that both cores write, without order and with different "
            f"values ({os.path.basename(other_file)}:{other_line}), expected rows of its own; what "
            "they hold is undefined: leave them unread, or put nisa.core_barrier between the two",
            UnspecifiedWarning,
            file,
            line,
        )


def _trace(tracers: Mapping[Member, Tracer], eager: Eager) -> None:
    members = list(tracers)
    if len(members) == 1:
        tracer = tracers[members[0]]
        tracer.builder.peek = peeking(eager, members[0], None)
        tracer.run()
        return
    turns = Turns(
        ready=lambda i: eager.is_settled(members[i]), stuck=lambda: deadlock(eager.settle())
    )
    for i, member in enumerate(members):
        tracers[member].builder.peek = peeking(eager, member, partial(turns.wait, i))
    turns.run([t.run for t in tracers.values()])


Home = Callable[[Member, Storage], Hbm]


def _replay(
    target: Target,
    streams: Mapping[Member, Stream],
    inputs: Mapping[Member, dict[int, Hbm]],
    twins: Sequence[Twins],
) -> tuple[Home, Seen]:
    """Execute the streams on cores of their own, over the memory that they share."""
    shared: dict[Key, Hbm] = {}
    launches = {}
    for member, stream in streams.items():
        places = dict(inputs[member])
        keys = shared_keys(stream)
        for storage in stream.shared:
            places[storage.index] = shared.setdefault(keys[storage.index], fresh(storage))
        for storage in stream.outputs:
            places.setdefault(storage.index, fresh(storage))
        launches[member] = Core(target).launch(stream, places)
    seen = run_together(launches, twins)
    return lambda member, storage: launches[member].places[storage.index], seen


def _check_results(tracers: Mapping[Member, Tracer], streams: Mapping[Member, Stream]) -> None:
    """All cores of a rank must return the same shared tensors."""
    for member, tracer in tracers.items():
        first = (member[0], 0)
        mine, theirs = (
            [
                (shared_keys(streams[m]).get(view.storage.index), view.shape, view.offset)
                for view in outputs_of(tracers[m].result, tracer.kernel.name)
            ]
            for m in (member, first)
        )
        if mine != theirs:
            raise KernelError(
                f"kernel {tracer.kernel.name} on core {member[1]}: got {len(mine)} results that "
                f"are not those of core 0 ({len(theirs)}), expected every core to return the same "
                "tensors in nl.shared_hbm"
            )


def _result(tracer: Tracer, rank: _Rank, home: Home) -> Any:
    """What the kernel returned, with host arrays in place of its tensors."""
    builder = tracer.builder
    member = (builder.place.rank, builder.place.core)
    given = {
        view.storage.index: host for view, host in zip(tracer.inputs, rank.arrays, strict=True)
    }

    def fetched(part: Any, _: str) -> Any:
        if not isinstance(part, NkiTensor):
            return part
        host = given.get(part.storage.index)
        whole = NkiTensor.whole(part.storage)
        if host is not None and (part.shape, part.offset) == (whole.shape, whole.offset):
            return host.given
        where = home(member, part.storage)
        return to_host(part.bind(where.memory, where.base).copy(), rank.torch)

    return map_leaves(tracer.result, fetched)


def execute(stream: Stream, arrays: Sequence[np.ndarray], core: Core) -> Any:
    """Run a stream on dense input arrays (in the stream's input order); returns its outputs.

    Raises:
        KernelError: for a stream whose control flow depended on the data that it was traced with.
    """
    if stream.data_dependent:
        raise KernelError(
            f"running {stream.name}: got a stream whose control flow asked for data at "
            f"{stream.data_dependent}, expected one that is right for any; use nki.simulate"
        )
    places = {
        s.index: Hbm.of(np.ascontiguousarray(a)) for s, a in zip(stream.inputs, arrays, strict=True)
    }
    for storage in stream.outputs:
        places.setdefault(storage.index, fresh(storage))
    core.run(stream, places)
    results = [
        NkiTensor.whole(s).bind(places[s.index].memory, places[s.index].base)
        for s in stream.outputs
    ]
    return results[0] if len(results) == 1 else tuple(results)


def _shown(view: NkiTensor) -> str:
    """What `print(tile)` shows while a kernel runs with data."""
    builder = CURRENT.get()
    if builder is None or builder.peek is None:
        return repr(view)
    if not builder.shadow(view).is_written(view):
        return f"{view!r} never written"
    values = builder.look(view)
    assert values is not None
    shown = values.astype(np.float32) if values.dtype.kind == "V" else values
    return f"{view!r}\n{shown}"


on_show(_shown)
