"""HBM tensors that a kernel fills for nobody: never returned, never read. A return is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from glia.isa.stream import Stream
from glia.silicon.execution.races import shared_keys


@dataclass(frozen=True, slots=True)
class Unread:
    """A tensor of HBM that was written and that nobody reads; the place of its last write."""

    tensor: str
    shape: tuple[int, ...]
    file: str
    line: int

    @property
    def text(self) -> str:
        """What is wrong, in the words of a warning."""
        sizes = ", ".join(map(str, self.shape))
        return f"{self.tensor}[{sizes}] in HBM, which is written and neither returned nor read"

    @property
    def note(self) -> str:
        """The warning with its place and what to do."""
        return f"{Path(self.file).name}:{self.line}: got {self.text}; {RETURN_IT}"


RETURN_IT = "return it from the kernel, or leave the store out"


def unread(streams: Sequence[Stream]) -> tuple[Unread, ...]:
    """The tensors that no core returns or reads, in the order in which they were first written."""
    used: set[object] = set()
    written: dict[object, Unread] = {}
    for number, stream in enumerate(streams):
        shared = shared_keys(stream)
        used |= {shared.get(s.index, (number, s.index)) for s in (*stream.inputs, *stream.outputs)}
        for one in stream.instructions:
            if one.sync is not None and one.sync.kind == "barrier":
                continue
            for view in one.reads:
                used.add(shared.get(view.storage.index, (number, view.storage.index)))
            for view in one.writes:
                s = view.storage
                if s.memory == "hbm":
                    key = shared.get(s.index, (number, s.index))
                    written[key] = Unread(s.name, s.shape, one.file, one.line)
    return tuple(found for key, found in written.items() if key not in used)
