"""The numbered list of sources: each distinct source gets one number, at its first mention."""

from __future__ import annotations

from collections.abc import Iterable


class SourceIndex:
    """Numbers sources from 1 in the order of first mention."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, source: str) -> int:
        """The number of `source`; the next free one when it is new."""
        return self._numbers.setdefault(source, len(self._numbers) + 1)

    def numbers(self, sources: Iterable[str]) -> list[int]:
        """The numbers of several sources, ascending, each once; empty sources are skipped."""
        return sorted({self.number(s) for s in sources if s})

    def items(self) -> list[tuple[int, str]]:
        """(number, source) of everything mentioned so far."""
        return [(number, source) for source, number in self._numbers.items()]


def runs(numbers: list[int]) -> list[tuple[int, int]]:
    """Ascending numbers as inclusive runs: [1, 2, 3, 7] -> [(1, 3), (7, 7)]."""
    found: list[tuple[int, int]] = []
    for n in numbers:
        if found and n == found[-1][1] + 1:
            found[-1] = (found[-1][0], n)
        else:
            found.append((n, n))
    return found


def runs_text(numbers: list[int]) -> str:
    """`1-3, 7`; a dash when there is no source."""
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs(numbers)) or "-"
