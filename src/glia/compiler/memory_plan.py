"""The HBM plan: where each buffer lies. Weights and ports keep their place; activations share it.

An activation lives from the launch that writes it to the last one that reads it. A launch that
computes a named value also holds on to the values it was computed from, even when it read them
through a copy: whoever checks it can then read them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from glia.compiler.program import Buffer, Launch
from glia.compiler.view import View

_ALIGN_BYTES = 64


def plan_memory(
    buffers: Mapping[str, Buffer],
    launches: Sequence[Launch],
    values: Mapping[str, View],
    kept: set[str],
) -> dict[str, Buffer]:
    """Offsets for all buffers; `values` says where named values lie; `kept` never share."""
    lives = _lives(launches, values)
    placed: dict[str, Buffer] = {}
    top = 0
    for buffer in buffers.values():
        if buffer.kind != "activation" or buffer.name in kept or buffer.name not in lives:
            kind = "output" if buffer.kind == "activation" else buffer.kind
            placed[buffer.name] = replace(buffer, offset=top, kind=kind)
            top += _aligned(buffer.num_bytes)
    shared = [b for b in buffers.values() if b.name not in placed]
    for buffer in sorted(shared, key=lambda b: (-b.num_bytes, b.name)):
        placed[buffer.name] = replace(buffer, offset=_first_fit(buffer, placed, lives, top))
    return placed


def _lives(launches: Sequence[Launch], values: Mapping[str, View]) -> dict[str, tuple[int, int]]:
    """First and last launch that needs each buffer."""
    lives: dict[str, tuple[int, int]] = {}
    for index, launch in enumerate(launches):
        read = [values[name].buffer for name in launch.reads if name in values]
        for name in (*(name for name, _ in launch.places), *read):
            lives[name] = (lives.get(name, (index, 0))[0], index)
    return lives


def _first_fit(
    buffer: Buffer, placed: Mapping[str, Buffer], lives: Mapping[str, tuple[int, int]], base: int
) -> int:
    """The lowest offset from `base` where no buffer that lives at the same time lies."""
    first, last = lives[buffer.name]
    busy = sorted(
        (other.offset, other.offset + _aligned(other.num_bytes))
        for name, other in placed.items()
        if other.offset >= base and lives[name][0] <= last and first <= lives[name][1]
    )
    offset = base
    for start, end in busy:
        if start - offset >= _aligned(buffer.num_bytes):
            break
        offset = max(offset, end)
    return offset


def _aligned(num_bytes: int) -> int:
    return -(-num_bytes // _ALIGN_BYTES) * _ALIGN_BYTES
