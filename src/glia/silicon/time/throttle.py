"""The Tensor engine's activity throttle.

Source: aws-neuron-sdk tools/neuron-explorer/glossary.rst and overview-summary-page.rst
("Understanding throttling").
"""

from __future__ import annotations

import math
from collections import deque


class Throttle:
    """Starts at `fraction` of the clock and speeds up evenly over `ramp_s` of activity.

    Where the array did less than half of what it can in a window of `ramp_s`, it starts again. What
    counts is the work done, since it limits steps of the current: an instruction that runs at half
    speed, or on half of the array, is half the activity. For the same reason it speeds up while the
    array works, not while it waits: what draws no current gets no nearer to full.
    """

    def __init__(self, fraction: float, ramp_s: float) -> None:
        self._fraction, self._ramp = fraction, ramp_s
        self._since, self._worked = -math.inf, 0.0  # when it started slow, seconds of work since
        self._ended = 0.0
        self._recent: deque[tuple[float, float, float]] = deque()  # start, end, activity

    def run(self, start: float, seconds: float, share: float) -> float:
        """End of an instruction that takes `seconds` at full clock on `share` of the array."""
        if self._fraction >= 1:
            return start + seconds
        self._look_back(start)
        taken = self._taken(seconds)
        end = start + taken
        self._worked += max(0.0, end - max(start, self._ended))
        self._ended = max(end, self._ended)
        activity = share if taken == seconds else share * seconds / taken
        if self._recent and self._recent[-1][1:] == (start, activity):
            start = self._recent.pop()[0]  # without a gap at the same rate: one interval
        self._recent.append((start, end, activity))
        return end

    def _look_back(self, now: float) -> None:
        """Start slow again where a whole window since the last time was half idle."""
        first, recent = now - self._ramp, self._recent
        while recent and recent[0][1] <= first:
            recent.popleft()
        if first >= self._since:
            done = sum((end - max(start, first)) * part for start, end, part in recent)
            if done < 0.5 * self._ramp:
                self._since, self._worked = now, 0.0

    def _taken(self, seconds: float) -> float:
        """Seconds of `seconds` at full clock: the speed integrated over the ramp and beyond it."""
        left = self._ramp - self._worked
        if left <= 0:
            return seconds
        slope = (1 - self._fraction) / self._ramp
        speed = self._fraction + slope * self._worked
        of_ramp = left * (speed + 1) / 2
        if seconds >= of_ramp:
            return left + seconds - of_ramp
        return (math.sqrt(speed * speed + 2 * slope * seconds) - speed) / slope
