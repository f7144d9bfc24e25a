"""What several cores do to memory that they share: matched, ordered, and written before it is read.

Two accesses of different cores, at least one of them a write, are ordered when a sendrecv or a
collective lies between them, or a barrier about that memory (vector clocks over the meetings); a
barrier about another orders what hangs together with it (`barriers.py`). A write that both cores
make alike is no race if their values are equal (`twins.py`). Needs no values. An access whose
address is known only at run time is left out, until a run tells the addresses: then all is checked
again with them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from glia.core.errors import KernelError
from glia.isa.launch.initialised import Shadow, not_stored
from glia.isa.launch.located import located
from glia.isa.launch.overlap import pattern_of, patterns_overlap
from glia.isa.stream import Instruction, Stream
from glia.isa.tensors.tensor import NkiTensor, Storage
from glia.silicon.execution.barriers import Barriers
from glia.silicon.execution.recent import Access, Recent, Tag
from glia.silicon.execution.twins import Twins
from glia.silicon.execution.witness import Addresses
from glia.silicon.meetings import Meeting, Member, member_of, walk

Key = tuple[int, str, int]
"""Rank, `input` or `shared`, number: one memory of the cores of a rank."""


class Checked(NamedTuple):
    """What streams that fit together leave to be seen.

    `twins` are writes that two cores make alike, whose values the machine must find equal;
    `left_out` results of which the run wrote only a part, at run-time addresses; `clashes` scatters
    of two cores that met in a row. As in one scatter that writes a row twice, the row is undefined:
    public kernels send padding to such a row (nki-library 2.29, core/moe).
    """

    twins: tuple[Twins, ...] = ()
    left_out: tuple[Storage, ...] = ()
    clashes: tuple[Twins, ...] = ()


def shared_keys(stream: Stream) -> dict[int, Key]:
    """The memory that each storage is which other cores see too, by storage index."""
    rank = stream.place.rank
    keys: dict[int, Key] = {s.index: (rank, "input", i) for i, s in enumerate(stream.inputs)}
    keys.update({s.index: (rank, "shared", i) for i, s in enumerate(stream.shared)})
    return keys


def check_shared(
    streams: Sequence[Stream], addresses: Mapping[Member, Addresses] | None = None
) -> Checked:
    """Refuse streams of one launch that do not fit together.

    `addresses` are those that a run of them met; without, such accesses are left out.

    Raises:
        KernelError: for deadlocks, shared tensors that differ, races, reads of shared memory that
            nobody wrote before, and outputs with elements never written.
    """
    if len(streams) == 1 and all(made.sync is None for made in streams[0].instructions):
        return Checked()
    _match(streams)
    checker = _Checker(streams, addresses or {})
    for event in walk(streams):
        if isinstance(event, Meeting):
            checker.meet(event)
        else:
            checker.touch(*event)
    checker.check_outputs(streams)
    return Checked(tuple(checker.twins), tuple(checker.left_out), tuple(checker.clashes))


def _match(streams: Sequence[Stream]) -> None:
    """The cores of a rank must make the same shared tensors in the same order."""
    first: dict[int, Stream] = {}
    for stream in streams:
        other = first.setdefault(stream.place.rank, stream)
        mine, theirs = [_facts(s) for s in stream.shared], [_facts(s) for s in other.shared]
        if mine == theirs:
            continue
        at = next(
            (i for i, (a, b) in enumerate(zip(mine, theirs, strict=False)) if a != b),
            min(len(mine), len(theirs)),
        )
        got, expected = (names[at] if at < len(names) else "none" for names in (mine, theirs))
        raise KernelError(
            f"kernel {stream.name}: shared tensor number {at}: got {got} on core "
            f"{stream.place.core}, expected {expected} as on core {other.place.core}; allocate "
            "nl.shared_hbm tensors alike and in the same order on all cores"
        )


def _facts(storage: Storage) -> str:
    return f"{storage.dtype}{list(storage.shape)}"


class _Checker:
    """Vector clocks of all members, and what was touched since it was last ordered for all."""

    def __init__(self, streams: Sequence[Stream], addresses: Mapping[Member, Addresses]) -> None:
        self._streams, self._addresses = streams, addresses
        members = [member_of(s.place) for s in streams]
        self._clocks = {m: {n: int(n == m) for n in members} for m in members}
        self._of_data: dict[tuple[Key, Member], dict[Member, int]] = {}
        self._barriers = Barriers(streams)
        self._keys = {member_of(s.place): shared_keys(s) for s in streams}
        self._alone = {s.place.rank for s in streams if s.place.num_cores == 1}
        self._recent: dict[Key, Recent] = defaultdict(Recent)
        self._shadows: dict[Key, Shadow] = {}
        self._scattered = {
            key
            for s in streams
            for index, key in self._keys[member_of(s.place)].items()
            if s.storages[index].scattered
        }
        self.twins: list[Twins] = []
        self.left_out: list[Storage] = []
        self.clashes: list[Twins] = []

    def meet(self, meeting: Meeting) -> None:
        """All that the members did before is before all that they do after."""
        for member, made in zip(meeting.members, meeting.instructions, strict=True):
            assert made.sync is not None
            if made.sync.kind != "barrier":  # a barrier names its data and leaves it alone
                self.touch(member, made)
        sync = meeting.instructions[0].sync
        if sync is not None and sync.kind == "barrier":
            self._meet_about(self._data(meeting), meeting)
            return
        for member in meeting.members:
            self._settled(member)
        clocks = [self._clocks[m] for m in meeting.members]
        joined = {n: max(clock[n] for clock in clocks) for n in clocks[0]}
        for member in meeting.members:
            self._clocks[member] = {**joined, member: joined[member] + 1}
        for key in self._recent:
            self._prune(key)

    def _data(self, meeting: Meeting) -> Key:
        member, made = meeting.members[0], meeting.instructions[0]
        return self._keys[member][made.writes[0].storage.index]

    def _meet_about(self, key: Key, meeting: Meeting) -> None:
        """A barrier: only what the members did to this memory is before what they will do to it."""
        self._settled_about(key, meeting.members)
        clocks = [self._clock(key, m) for m in meeting.members]
        joined = {n: max(clock[n] for clock in clocks) for n in clocks[0]}
        for member in meeting.members:
            self._of_data[key, member] = joined
            self._clocks[member][member] += 1
        self._barriers.add(meeting)
        self._prune(key)

    def _clock(self, key: Key, member: Member) -> dict[Member, int]:
        """What of each member is before an access of this member to this memory."""
        general, own = self._clocks[member], self._of_data.get((key, member))
        return general if own is None else {n: max(at, own[n]) for n, at in general.items()}

    def _prune(self, key: Key) -> None:
        cores = {m: self._clock(key, m) for m in self._clocks if m[0] == key[0]}
        seen = {m: min(c[m] for n, c in cores.items() if n != m) for m in cores}
        self._recent[key].prune(seen)

    def touch(self, member: Member, made: Instruction) -> None:
        """One instruction's accesses to shared memory, reads first."""
        keys = self._keys[member]
        writes, reads = (
            [(keys[v.storage.index], v) for v in views if v.storage.index in keys]
            for views in self._views(member, made)
        )
        tags = [
            self._recent[key].tag(member, pattern_of(view), made)
            if view.indirection is None and member[0] not in self._alone
            else None
            for key, view in writes
        ]
        for key, view in reads:
            if not self._shadow(key, view).is_written(view):
                raise self._unwritten(key, member, made, view)
            self._access(key, member, made, view, None)
        for (key, view), tag in zip(writes, tags, strict=True):
            self._shadow(key, view).mark(view)
            self._access(key, member, made, view, tag)

    def _views(
        self, member: Member, made: Instruction
    ) -> tuple[Sequence[NkiTensor], Sequence[NkiTensor]]:
        """What it writes and reads, at the addresses of the run where these are known."""
        known = self._addresses.get(member)
        if not known or all(v.indirection is None for v in (*made.writes, *made.reads)):
            return made.writes, made.reads
        found: tuple[list[NkiTensor], list[NkiTensor]] = [], []
        for position, view in enumerate((*made.writes, *made.reads)):
            came_to = known.get((made.index, position), (view,))
            found[position >= len(made.writes)].extend(came_to)
        return found

    def _unwritten(
        self, key: Key, member: Member, made: Instruction, view: NkiTensor
    ) -> KernelError:
        """A read of memory that nobody wrote so far; another core may do it, unordered, later."""
        text = (
            f"{made.op} reading {view!r} on core {member[1]}: got memory that no core has written"
        )
        for other, written in self._writes_of_others(key, member, view):
            line = f"{written.file.rpartition('/')[2]}:{written.line}"
            return _located(
                made,
                f"{text} before: core {other[1]} writes it at {line} with no barrier in between, "
                "so the two race, expected a write that comes first; put nisa.core_barrier between "
                "that write and this read",
            )
        return _located(
            made,
            f"{text}, before or after, expected initialised memory; write it first, and put "
            "nisa.core_barrier between the write and the read",
        )

    def _writes_of_others(
        self, key: Key, member: Member, view: NkiTensor
    ) -> Iterator[tuple[Member, Instruction]]:
        """Writes of other cores to the bytes of `view`, wherever in their streams."""
        for stream in self._streams:
            other = member_of(stream.place)
            keys = self._keys[other]
            if other == member or other[0] != member[0]:
                continue
            for made in stream.instructions:
                if any(
                    keys.get(v.storage.index) == key
                    and (
                        v.indirection is not None
                        or patterns_overlap(pattern_of(v), pattern_of(view))
                    )
                    for v in made.writes
                ):
                    yield other, made

    def _settled(self, member: Member) -> None:
        for key in self._recent:
            if key[0] == member[0]:
                self._settled_about(key, (member,))

    def _settled_about(self, key: Key, members: Sequence[Member]) -> None:
        for member in members:
            missing = self._recent[key].missing(member)
            if missing is not None:
                raise _race(*missing)

    def _shadow(self, key: Key, view: NkiTensor) -> Shadow:
        found = self._shadows.get(key)
        if found is None:
            found = self._shadows[key] = Shadow(view.storage)
        return found

    def _access(
        self, key: Key, member: Member, made: Instruction, view: NkiTensor, tag: Tag | None
    ) -> None:
        if view.indirection is not None or member[0] in self._alone:
            return
        clock, recent = self._clock(key, member), self._recent[key]
        mine = Access(member, clock[member], pattern_of(view), tag, made, view)
        for rival in recent.rivals(mine, clock):
            if self._barriers.order(rival.member, rival.made, member, made):
                continue
            pair = Twins((rival.member, member), (rival.made, made))
            if mine.writes and rival.writes and pair.scatter:
                self.clashes.append(pair)
            elif not recent.harmless(mine, rival):
                raise _race(mine, rival)
            elif mine.writes and mine.tag == rival.tag:
                self.twins.append(pair)
        recent.add(mine)

    def check_outputs(self, streams: Sequence[Stream]) -> None:
        """Every element of every output was written by some core; nothing is left open."""
        for stream in streams:
            self._settled(member_of(stream.place))
            keys = shared_keys(stream)
            for storage in stream.outputs:
                key = keys.get(storage.index)
                if key is None or key[1] != "shared":
                    continue
                shadow, view = self._shadows.get(key), NkiTensor.whole(storage)
                if shadow is not None and shadow.is_written(view):
                    continue
                what = f"kernel {stream.name} returning {view!r}"
                if key in self._scattered:
                    self.left_out.append(storage)
                elif shadow is None or not shadow.is_touched:
                    raise not_stored(what, shadow)
                else:
                    raise KernelError(
                        f"{what}: got elements that no core wrote, expected every element stored; "
                        "check how the cores divide it"
                    )


def _race(mine: Access, other: Access) -> KernelError:
    verbs = [f"{'writes' if a.writes else 'reads'} {a.view!r}" for a in (mine, other)]
    line = f"{other.made.file.rpartition('/')[2]}:{other.made.line}"
    return _located(
        mine.made,
        f"{mine.made.op} on core {mine.member[1]} {verbs[0]}: got {other.made.op} of core "
        f"{other.member[1]} at {line}, which {verbs[1]} at the same bytes with nothing between "
        "them, expected an order; put nisa.core_barrier between the two",
    )


def _located(made: Instruction, text: str) -> KernelError:
    return located(KernelError(text), made.file, made.line)
