"""When a launch's instructions run, at the three ends of the constants."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from glia.chips import Chip, Silicon
from glia.core.figures import Estimate, Figure
from glia.core.units import format_quantity
from glia.isa.stream import Stream
from glia.silicon.profile.values import computed_again
from glia.silicon.profile.whatif import Variant
from glia.silicon.time.timeline import Timeline, schedule_together
from glia.silicon.time.timing import BOUNDS, Timing

_REASON = "from the dataflow bound with fast constants to the program as written with slow ones"
_LEAN = "; the former without what is computed again"
_MAX_FOR_ADVICE = 100_000
_MAX_COMPARED = 200_000
WORTH_A_NOTE = 0.01  # of the time


@dataclass(frozen=True, slots=True)
class Timed:
    """All cores of a launch at the three ends of the constants; likely in the middle.

    `lean` are the programs without what they compute again, `lean_s` their dataflow bound with fast
    constants.
    """

    streams: tuple[Stream, ...]
    fast: tuple[Timeline, ...]
    likely: tuple[Timeline, ...]
    slow: tuple[Timeline, ...]
    sources: tuple[str, ...]
    lean: tuple[Stream, ...]
    lean_s: float

    def as_written(self) -> Estimate:
        """Program order on every engine."""
        return self._interval(lambda t: t.makespan_s, "the program as written")

    def dataflow(self) -> Estimate:
        """True dependences and busy time only."""
        return self._interval(lambda t: t.dataflow_s, "true dependences and busy engines only")

    def _interval(self, pick: Callable[[Timeline], float], reason: str) -> Estimate:
        low, likely, high = (
            max((pick(t) for t in cores), default=0.0)
            for cores in (self.fast, self.likely, self.slow)
        )
        return Estimate(min(low, likely), likely, max(high, likely), "s", reason, self.sources)

    def all_work(self) -> Estimate:
        """The interval in which all of the program's instructions run."""
        low, written = self.dataflow().low, self.as_written()
        return Estimate(low, written.likely, written.high, "s", _REASON, self.sources)

    def time(self) -> Estimate:
        """The interval that is reported: a compiler may compute once what is the same."""
        whole = self.all_work()
        if self.lean_s >= whole.low:
            return whole
        return dataclasses.replace(whole, low=self.lean_s, reason=_REASON + _LEAN)

    def notes(self) -> tuple[str, ...]:
        """What the low end leaves out, when that moves it."""
        low = self.dataflow().low
        if self.lean_s >= low * (1 - WORTH_A_NOTE):
            return ()
        num = sum(len(s.instructions) for s in self.streams)
        num -= sum(len(s.instructions) for s in self.lean)
        return (
            f"{num:,} instructions do what one before did to the same values: the low end of the "
            f"time is without them, as a compiler may (with them {format_quantity(low, 's')})",
        )


def timed_launch(streams: tuple[Stream, ...], chip: Chip) -> Timed:
    """The times of the streams of one launch."""
    silicon = chip.silicon
    assert silicon is not None
    timings = (Timing.of(silicon, bound, chip.link) for bound in BOUNDS)
    fast, likely, slow = (schedule_together(streams, timing) for timing in timings)
    lean = _lean(streams)
    bounds = (
        fast
        if lean is streams
        else schedule_together(lean, Timing.of(silicon, "optimistic", chip.link))
    )
    lean_s = max((t.dataflow_s for t in bounds), default=0.0)
    return Timed(streams, fast, likely, slow, _sources(silicon), lean, lean_s)


def _lean(streams: tuple[Stream, ...]) -> tuple[Stream, ...]:
    """The programs without what they compute again; where cores meet, as they are."""
    made = [one for stream in streams for one in stream.instructions]
    if len(made) > _MAX_COMPARED or any(one.sync is not None for one in made):
        return streams
    again = [computed_again(stream) for stream in streams]
    if not any(again):
        return streams
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
