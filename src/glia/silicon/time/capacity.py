"""Something that a number of users share over time: DMA engines, a memory port."""

from __future__ import annotations

from bisect import bisect_right


class Capacity:
    """`total` equal places, taken for spans of time. A step function of what is in use."""

    __slots__ = ("_times", "_total", "_used")

    def __init__(self, total: int) -> None:
        self._total = total
        self._times = [0.0]
        self._used = [0]

    def reserve(self, earliest: float, seconds: float, places: int) -> float:
        """Take `places` for `seconds`, as early as they are free throughout; returns the start.

        Who waits for something else occupies nothing meanwhile: a later request passes it.
        """
        begin = self.find(earliest, seconds, places)
        self.take(begin, seconds, places)
        return begin

    def find(self, earliest: float, seconds: float, places: int) -> float:
        """The earliest start from which `places` are free for `seconds`."""
        times, used, most = self._times, self._used, self._total - places
        begin = earliest
        at = bisect_right(times, earliest) - 1
        while at < len(times) and times[at] < begin + seconds:
            if used[at] > most:
                begin = times[at + 1]  # the last step is always that nothing is in use
            at += 1
        return begin

    def take(self, begin: float, seconds: float, places: int) -> None:
        """Count `places` more in use from `begin` on."""
        end = begin + seconds
        if end <= begin:
            return
        first, last = self._edge(begin), self._edge(end)
        for at in range(first, last):
            self._used[at] += places
        self._join(last)
        self._join(first)

    def _edge(self, time: float) -> int:
        """The position of the step at `time`, made if there is none."""
        at = bisect_right(self._times, time) - 1
        if self._times[at] == time:
            return at
        self._times.insert(at + 1, time)
        self._used.insert(at + 1, self._used[at])
        return at + 1

    def _join(self, at: int) -> None:
        """Drop a step that changes nothing."""
        if 0 < at < len(self._used) and self._used[at] == self._used[at - 1]:
            del self._times[at], self._used[at]
