"""The Tensor engine's activity throttle (aws-neuron-sdk tools/neuron-explorer/glossary.rst)."""

from __future__ import annotations

from collections import deque


class Throttle:
    """Starts slow and speeds up over a window of activity.

    Where the array did less than half of what it can in a window of `ramp_s`, it starts again. What
    counts is the work done, since it limits steps of the current: an instruction that runs at half
    speed, or on half of the array, is half the activity.
    """

    def __init__(self, fraction: float, ramp_s: float) -> None:
        self._fraction, self._ramp = fraction, ramp_s
        self._since = 0.0
        self._recent: deque[tuple[float, float, float]] = deque()  # start, end, activity

    def speed(self, now: float) -> float:
        """Fraction of the full clock at which an instruction issued now runs."""
        if self._fraction >= 1:
            return 1.0
        first = now - self._ramp
        while self._recent and self._recent[0][1] <= first:
            self._recent.popleft()
        if now - self._since >= self._ramp:
            done = sum((end - max(start, first)) * part for start, end, part in self._recent)
            if done < 0.5 * self._ramp:
                self._since = now
        progress = min(1.0, (now - self._since) / self._ramp)
        return self._fraction + (1 - self._fraction) * progress

    def ran(self, start: float, end: float, activity: float) -> None:
        """Record activity; what follows without a gap at the same rate is one interval."""
        if self._recent and self._recent[-1][1] == start and self._recent[-1][2] == activity:
            start = self._recent.pop()[0]
        self._recent.append((start, end, activity))
