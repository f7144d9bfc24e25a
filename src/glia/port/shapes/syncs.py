"""The lines at which the host waits: what a call showed, and what the source rules say."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from glia.core.shape_records import SyncPlace
from glia.frontends.operations import Observation
from glia.frontends.torch.export import quiet
from glia.frontends.torch.observe import observe
from glia.port.scan import parse, places
from glia.port.source.files.project import shown_path

_CATEGORIES = ("sync", "control")
_RULES = ("C081", "C082", "C083", "C084")  # rules about shapes at which the host asks for a size
_WORDS = {
    "bool": "decides by a value",
    "number": "reads one value",
    "list": "reads all values",
    "numpy": "copies to NumPy",
    "copy": "copies to the CPU",
    "text": "prints values",
    "hidden": "an operation reads a value",
}


def sync_places(
    module: Any,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    files: Sequence[Path],
) -> tuple[SyncPlace, ...]:
    """What one call of the module showed and what the files say, by file and line.

    The source speaks on the functions that the call went through only: what another model or the
    loader of the same file does is no wait of this one.
    """
    ran: set[tuple[str, int]] = set()
    with quiet(), _lines_of_functions(ran):
        seen = observe(module, args, kwargs, calls=1)
    found = {(p.file, p.line): p for p in _of_call(seen)}
    for place in _of_source(files, ran):
        key = (place.file, place.line)
        known = found.get(key)
        both = None if known is None else replace(known, found_by="run and source")
        found[key] = both or place
    return tuple(found[key] for key in sorted(found))


@contextmanager
def _lines_of_functions(lines: set[tuple[str, int]]) -> Iterator[None]:
    """Collect the lines of every function that this thread enters inside, run or not."""
    codes = set()
    before = sys.getprofile()
    sys.setprofile(lambda frame, _event, _value: codes.add(frame.f_code))
    try:
        yield
    finally:
        sys.setprofile(before)
        for code in codes:
            lines.update((code.co_filename, line) for *_, line in code.co_lines() if line)


def _of_call(seen: Observation) -> list[SyncPlace]:
    places_ = [(s.kind, s.source, s.count) for s in seen.syncs]
    sized = [o for o in seen.operations if "dynamic_output_shape" in o.tags and _is_sized(o)]
    named = [(_WORDS[kind], source, count) for kind, source, count in places_]
    named += [(f"{o.name}: a size depends on the data", o.source, 1) for o in sized]
    return [
        SyncPlace(kind, shown_path(Path(s.file)), s.line, s.code, count, "run")
        for kind, s, count in named
        if s is not None
    ]


def _is_sized(operation: Any) -> bool:
    """Indexing has a fixed size unless a mask says which."""
    return operation.name != "index" or any(f.dtype == "bool" for f in operation.inputs[1:])


def _of_source(files: Sequence[Path], ran: set[tuple[str, int]]) -> list[SyncPlace]:
    found = []
    entered = {(str(Path(name).resolve()), line) for name, line in ran}
    for file in dict.fromkeys(f.resolve() for f in files):
        module = parse(str(file), file.read_text(encoding="utf-8"))
        for place in places(module):
            if (str(file), place.line) not in entered:
                continue
            if place.rule.category in _CATEGORIES or place.rule.id in _RULES:
                code = linecache.getline(str(file), place.line).strip()
                words = f"{place.rule.id} {place.rule.title}"
                name = shown_path(file)
                found.append(SyncPlace(words, name, place.line, code, 0, "source"))
    return found
