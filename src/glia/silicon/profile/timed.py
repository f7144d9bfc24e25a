"""When a launch's instructions run, as written and as compiled, with constants at three ends."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from glia.chips import Chip, Silicon
from glia.core.figures import Estimate, Figure
from glia.core.units import format_quantity
from glia.isa.stream import Stream
from glia.isa.target import target_of
from glia.silicon.profile.invariants import hoisted
from glia.silicon.profile.movement import place
from glia.silicon.profile.values import computed_again
from glia.silicon.profile.whatif import Variant
from glia.silicon.time.timeline import Timeline, schedule_together
from glia.silicon.time.timing import BOUNDS, Timing

_REASON = "from the dataflow bound with fast constants to the program as written with slow ones"
_LEAN = "; the former without what is computed again"
_HOISTED = "; likely with what no loop changes in front of it"
_MAX_FOR_ADVICE = 100_000
_MAX_COMPARED = 200_000
WORTH_A_NOTE = 0.01  # of the time


@dataclass(frozen=True, slots=True)
class Ends:
    """One program on all cores of a launch, with fast, likely and slow constants."""

    streams: tuple[Stream, ...]
    fast: tuple[Timeline, ...]
    likely: tuple[Timeline, ...]
    slow: tuple[Timeline, ...]

    def all(self, pick: Callable[[Timeline], float]) -> tuple[float, float, float]:
        """The longest core's seconds at the three ends."""
        low, likely, high = (
            max((pick(t) for t in cores), default=0.0)
            for cores in (self.fast, self.likely, self.slow)
        )
        return min(low, likely), likely, max(high, likely)


@dataclass(frozen=True, slots=True)
class Timed:
    """A launch, as the kernel has it and as its compiler leaves it (see `invariants`).

    `lean` are the programs without all that they compute again, `lean_s` their dataflow bound with
    fast constants.
    """

    written: Ends
    compiled: Ends
    lean: tuple[Stream, ...]
    lean_s: float
    sources: tuple[str, ...]

    def as_written(self) -> Estimate:
        """Program order on every engine, nothing left out."""
        ends = self.written.all(lambda t: t.makespan_s)
        return Estimate(*ends, "s", "the program as written", self.sources)

    def dataflow(self) -> Estimate:
        """True dependences and busy time only, of the program as compiled."""
        ends = self.compiled.all(lambda t: t.dataflow_s)
        return Estimate(*ends, "s", "true dependences and busy engines only", self.sources)

    def all_work(self) -> Estimate:
        """The interval in which all that was compiled runs."""
        low = self.dataflow().low
        _, likely, _ = self.compiled.all(lambda t: t.makespan_s)
        reason = _REASON if self.compiled is self.written else _REASON + _HOISTED
        high = max(likely, self.as_written().high)
        return Estimate(low, likely, high, "s", reason, self.sources)

    def time(self) -> Estimate:
        """The interval that is reported: a compiler may compute once what is the same."""
        whole = self.all_work()
        if self.lean_s >= whole.low:
            return whole
        reason = _REASON + _LEAN + whole.reason.removeprefix(_REASON)
        return dataclasses.replace(whole, low=self.lean_s, reason=reason)

    def notes(self) -> tuple[str, ...]:
        """What the likely time and its low end leave out, when that moves them."""
        return (*self._hoisted_note(), *self._lean_note())

    def _hoisted_note(self) -> tuple[str, ...]:
        _, whole, _ = self.written.all(lambda t: t.makespan_s)
        _, likely, _ = self.compiled.all(lambda t: t.makespan_s)
        if likely >= whole * (1 - WORTH_A_NOTE):
            return ()
        lines, num = _left_out(self.written.streams, self.compiled.streams)
        return (
            f"{num:,} instructions do on the same tensors what their statement did before (most at "
            f"{lines}): the likely time is without them, as a compiler moves them in front of the "
            f"loop; as written {format_quantity(whole, 's')}",
        )

    def _lean_note(self) -> tuple[str, ...]:
        low = self.dataflow().low
        if self.lean_s >= low * (1 - WORTH_A_NOTE):
            return ()
        num = _num(self.compiled.streams) - _num(self.lean)
        return (
            f"{num:,} instructions do what one before did to the same values: the low end of the "
            f"time is without them, as a compiler may (with them {format_quantity(low, 's')})",
        )


def _num(streams: Sequence[Stream]) -> int:
    return sum(len(stream.instructions) for stream in streams)


def _left_out(written: Sequence[Stream], compiled: Sequence[Stream]) -> tuple[str, int]:
    """The line of most instructions that only the first programs have, and how many there are."""
    lines = Counter(place(one) for stream in written for one in stream.instructions)
    lines.subtract(place(one) for stream in compiled for one in stream.instructions)
    return lines.most_common(1)[0][0], lines.total()


def timed_launch(streams: tuple[Stream, ...], chip: Chip) -> Timed:
    """The times of the streams of one launch."""
    silicon = chip.silicon
    assert silicon is not None
    timings = tuple(Timing.of(silicon, bound, chip.link) for bound in BOUNDS)
    target = target_of(chip.name)

    def ends(programs: tuple[Stream, ...]) -> Ends:
        return Ends(programs, *(schedule_together(programs, timing) for timing in timings))

    written = ends(streams)
    fewer = tuple(hoisted(stream, target) for stream in streams)
    compiled = written
    if any(a is not b for a, b in zip(fewer, streams, strict=True)):
        compiled = _quicker(ends(fewer), written)
    lean = _lean(streams, compiled.streams)
    bounds = compiled.fast if lean is compiled.streams else schedule_together(lean, timings[0])
    lean_s = max((t.dataflow_s for t in bounds), default=0.0)
    return Timed(written, compiled, lean, lean_s, _sources(silicon))


def _quicker(changed: Ends, written: Ends) -> Ends:
    """No change that lengthens the program, as where all readers then meet at one PSUM bank."""
    _, now, _ = changed.all(lambda t: t.makespan_s)
    return changed if now <= written.all(lambda t: t.makespan_s)[1] else written


def _lean(streams: tuple[Stream, ...], compiled: tuple[Stream, ...]) -> tuple[Stream, ...]:
    """The programs without what they compute again; where cores meet, as compiled."""
    made = [one for stream in streams for one in stream.instructions]
    if len(made) > _MAX_COMPARED or any(one.sync is not None for one in made):
        return compiled
    again = [computed_again(stream) for stream in streams]
    if not any(again):
        return compiled
    return tuple(
        Variant.of(stream).without(found).prepared()
        for stream, found in zip(streams, again, strict=True)
    )


def _sources(silicon: Silicon) -> tuple[str, ...]:
    sections = (
        silicon.clock, silicon.tensor, silicon.vector, silicon.scalar, silicon.gpsimd,
        silicon.dma, silicon.hbm, silicon.sync,
    )  # fmt: skip
    figures = (figure for section in sections for _, figure in section)
    return tuple(dict.fromkeys(f.source for f in figures if isinstance(f, Figure)))


def untried(streams: Sequence[Stream], stream: Stream) -> str:
    """Why no change is timed again; empty where changes are."""
    if len(stream.instructions) > _MAX_FOR_ADVICE:
        return f"the kernel has more than {_MAX_FOR_ADVICE:,} instructions"
    if any(one.sync is not None for s in streams for one in s.instructions):
        return "cores or ranks meet, and a change on one would move the others too"
    return ""
