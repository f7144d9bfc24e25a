"""A pytest plugin: which instructions the passing tests executed, for which generation.

With `-p isa.recording` and ISA_RECORD=<file>, the session writes one JSON object: for each
instruction and generation the first passing test that issued it, the engine it ran on, one example
of its cycles, and what was said where it was refused.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import glia.nki.isa as nisa
from glia.core.errors import KernelError
from glia.isa.launch.builder import INSTRUCTIONS, StreamBuilder
from glia.isa.launch.context import CURRENT

Found = dict[str, dict[str, dict[str, Any]]]
executed: Found = {}
refused: Found = {}
_current: Found = {}


def _note(into: Found, op: str, generation: str, facts: dict[str, Any]) -> None:
    into.setdefault(op, {}).setdefault(generation, facts)


def _facts(builder: StreamBuilder, before: int) -> dict[str, Any]:
    """Engines, and one example of cycles, of the instructions that a call emitted."""
    made = builder.instructions[before:]
    work = [m for m in made if m.work.cycles and (m.writes or m.reads)]
    facts: dict[str, Any] = {"engines": sorted({m.engine.name for m in made})}
    if work:
        view = max((*work[0].writes, *work[0].reads), key=lambda v: v.free_size)
        facts["cycles"] = [view.free_size, view.dtype.name, round(work[0].work.cycles, 1)]
    return facts


def _recorded(issue: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(issue)
    def call(self: StreamBuilder, op: str, *args: Any, **kwargs: Any) -> Any:
        before, generation = len(self.instructions), self.target.generation
        try:
            result = issue(self, op, *args, **kwargs)
        except KernelError as error:
            said = refused.setdefault(op, {}).setdefault(generation, {"said": ""})
            said["said"] += f"{error}\n"  # any of them may be the one by generation
            raise
        _note(_current, op, generation, _facts(self, before))
        return result

    return call


def _plain(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A public function that is no instruction of a stream (registers)."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        builder = CURRENT.get()
        if builder is not None:
            _note(_current, name, builder.target.generation, {"engines": ["any"]})
        return result

    return call


def pytest_configure(config: pytest.Config) -> None:
    StreamBuilder.issue = _recorded(StreamBuilder.issue)  # type: ignore[method-assign]
    for name in dir(nisa):
        found = getattr(nisa, name)
        plain = callable(found) and not isinstance(found, type) and name not in INSTRUCTIONS
        if plain and not name.startswith("_"):
            setattr(nisa, name, _plain(name, found))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    _current.clear()
    yield
    if "legality" in item.nodeid:  # what runs there before the refusal proves nothing
        return
    for op, generations in _current.items():
        for generation, facts in generations.items():
            _note(executed, op, generation, {"test": item.nodeid, **facts})


def pytest_sessionfinish() -> None:
    record = os.environ.get("ISA_RECORD")
    if record:
        text = json.dumps({"executed": executed, "refused": refused})
        Path(record).write_text(text, encoding="utf-8")
