"""What a loop does again on the same tensors, which the compiler does once, in front of it.

The likely time of a profile is that of the program without these repeats; the program as written
and the high end keep them. The rule: an instruction that is no DMA is left out where one of the
same statement before it did the same (operation, attributes, layout of the result) with the same
tensors, not written since, into a tensor that nothing else writes, and where there is room on chip
to keep the first result until its last reader. A tensor loaded again is another tensor.

Reason: aws-neuron-sdk nki/guides/tutorials/fused_mamba.rst. Its second kernel multiplies delta by u
for every state, five Vector instructions in the text; the profile of 8,192 columns (nki/img/
mamba_v2_8K_seqlen_zoomed.png) shows four per state, and one tile of that size reloaded from where
it was spilled to: the product was computed once. At 512 columns the 1.57 ms that Vector was active
are those of four. The first kernel, which loads delta and u for every state, took the time of five.
That the compiler's back end works on loops and instructions: nki/index.rst (how NKI works).
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from glia.core.collection import no_collection
from glia.isa.stream import Instruction, Stream
from glia.isa.target import Target
from glia.isa.tensors.tensor import NkiTensor
from glia.silicon.profile.values import given, has_one_value, layout
from glia.silicon.profile.whatif import Variant


def hoisted(stream: Stream, target: Target) -> Stream:
    """The program without the repeats of `loop_invariants`; itself where there are none."""
    again = loop_invariants(stream, target)
    if not again:
        return stream
    known = stream.cache.get("hoisted")
    if known is None:
        known = stream.cache["hoisted"] = Variant.of(stream).sharing(again).prepared()
    return known


def loop_invariants(stream: Stream, target: Target) -> Mapping[int, int]:
    """Instructions that are left out: index to that of the one whose result stays."""
    if stream.data_dependent:
        return {}
    known = stream.cache.get("loop invariants")
    if known is None:
        with no_collection():
            known = stream.cache["loop invariants"] = _admitted(_Search(stream), target)
    return known


@dataclass(slots=True)
class _Search:
    """Repeats, and what it takes to keep the first results.

    `repeats` maps an instruction to the first of its kind, `until` a first one to the last reader
    of any of the results, `needs` a first one to those whose result its repeats were given.
    """

    stream: Stream
    repeats: dict[int, int] = field(default_factory=dict)
    until: dict[int, int] = field(default_factory=dict)
    needs: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    _maker: dict[int, int] = field(default_factory=dict)  # by the storage of a result
    _writes: Counter[int] = field(default_factory=Counter)  # so far, by storage
    _alike: dict[Hashable, Instruction | dict[Hashable, Instruction]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        made = self.stream.instructions
        total = Counter(view.storage.index for one in made for view in one.writes)
        call, ordinal = -1, 0
        for one in made:
            ordinal = ordinal + 1 if one.call == call else 0
            call = one.call
            for view in one.reads:
                if (maker := self._maker.get(view.storage.index)) is not None:
                    self.until[maker] = one.index
            only = len(one.writes) == 1 and total[one.writes[0].storage.index] == 1
            if only and one.work.dma is None and has_one_value(one):
                self._result(one, ordinal)
            self._writes.update(view.storage.index for view in one.writes)

    def _result(self, one: Instruction, ordinal: int) -> None:
        """An instruction that fills a tensor of its own: the first of its kind, or a repeat."""
        first = self._first(one, self._key(one, ordinal))
        self._maker[one.writes[0].storage.index] = first.index
        if first is not one:
            self.repeats[one.index] = first.index
            makers = (self._maker.get(view.storage.index) for view in one.reads)
            self.needs[first.index].update(m for m in makers if m is not None)

    def _first(self, one: Instruction, key: Hashable) -> Instruction:
        """The first that did the same; arguments are looked at where the rest agrees."""
        alike = self._alike.setdefault(key, one)
        if alike is one:
            return one
        if isinstance(alike, Instruction):
            alike = {given(self.stream, alike): alike}
            self._alike[key] = alike
        return alike.setdefault(given(self.stream, one), one)

    def _key(self, one: Instruction, ordinal: int) -> Hashable:
        result = one.writes[0]
        at = result.storage.memory, result.storage.start_partition
        operands = tuple(map(self._operand, one.reads))
        return one.file, one.line, one.op, one.engine, ordinal, at, _place(result), operands

    def _operand(self, view: NkiTensor) -> Hashable:
        """Which tensor, as of which write, and what part of it."""
        index = view.storage.index
        maker = self._maker.get(index)
        held = (index, self._writes[index]) if maker is None else (-1, maker)
        return held, _place(view)


def _place(view: NkiTensor) -> Hashable:
    return layout(view), view.start, view.partition


def _admitted(found: _Search, target: Target) -> dict[int, int]:
    """The repeats of those first results for which there is room, beside today's peak."""
    stream, firsts, kept = found.stream, {*found.repeats.values()}, set[int]()
    rooms = {
        "sbuf": target.sbuf_bytes - stream.sbuf_peak_bytes,
        "psum": target.psum_bytes - stream.psum_peak_banks * target.psum_bank_bytes,
    }
    held: dict[str, list[tuple[int, int]]] = {memory: [] for memory in rooms}  # until, bytes
    for first in sorted(firsts):
        storage = stream.instructions[first].writes[0].storage
        size, memory = storage.partition_bytes, storage.memory
        if memory == "psum":
            size = -(-size // target.psum_bank_bytes) * target.psum_bank_bytes
        while held[memory] and held[memory][0][0] < first:
            rooms[memory] += heapq.heappop(held[memory])[1]
        if size <= rooms[memory] and not (found.needs[first] & firsts) - kept:
            kept.add(first)
            rooms[memory] -= size
            heapq.heappush(held[memory], (found.until.get(first, first), size))
    return {one: first for one, first in found.repeats.items() if first in kept}
