"""What each engine and DMA queue did when, as a small SVG.

A track is cut into pixel columns. A column shows the kind of instruction that filled most of it, as
high as the column was busy (in quarters), and equal neighbours become one rectangle: the size of
the drawing depends on its width, never on the number of spans, and idle time stays visible.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from glia.core.records import Span
from glia.core.units import format_quantity
from glia.report.markup import Markup, join, tag
from glia.report.scales import linear_scale

_WIDTH_PX, _LEFT_PX, _RIGHT_PX = 960, 196, 904
_NUM_COLUMNS = _RIGHT_PX - _LEFT_PX
_TOP_PX, _ROW_PX, _BAR_PX = 6, 30, 18
_NUM_LEVELS, _NUM_SHADES = 4, 3


@dataclass(frozen=True, slots=True)
class Block:
    """Adjacent columns [first, last] that look the same: one kind, one height in quarters."""

    first: int
    last: int
    kind: str
    level: int


@dataclass(frozen=True, slots=True)
class Track:
    """One engine or queue, ready to draw; `busy` is its active share of the shown time."""

    name: str
    kinds: tuple[str, ...]
    blocks: tuple[Block, ...]
    busy: float


def timeline(spans: Sequence[Span], title: str, colour: int) -> Markup:
    """One row per engine or queue, in the order first seen; an empty timeline says so."""
    if not spans:
        return tag("p", "No timeline was recorded.", class_="empty")
    start, end = min(s.start_s for s in spans), max(s.end_s for s in spans)
    tracks = build_tracks(spans, start, max(end - start, 1e-12))
    height = _TOP_PX + _ROW_PX * len(tracks) + 24
    return tag(
        "svg",
        tag("title", f"{title}: {len(spans)} instructions on {len(tracks)} tracks"),
        _time_axis(max(end - start, 1e-12), height - 22),
        *(_draw(track, _TOP_PX + _ROW_PX * i) for i, track in enumerate(tracks)),
        viewBox=f"0 0 {_WIDTH_PX} {height}",
        role="img",
        xmlns="http://www.w3.org/2000/svg",
        class_=f"timeline chip-{colour}",
    )


def build_tracks(spans: Sequence[Span], start_s: float, length_s: float) -> list[Track]:
    """Group `spans` by track and merge them into blocks of pixel columns."""
    by_track: dict[str, list[Span]] = defaultdict(list)
    for span in spans:
        by_track[span.track].append(span)
    return [_track(name, group, start_s, length_s) for name, group in by_track.items()]


def _track(name: str, spans: list[Span], start_s: float, length_s: float) -> Track:
    columns: list[dict[str, float]] = [{} for _ in range(_NUM_COLUMNS)]
    total: dict[str, float] = defaultdict(float)
    for span in spans:
        first = (span.start_s - start_s) / length_s * _NUM_COLUMNS
        last = (span.end_s - start_s) / length_s * _NUM_COLUMNS
        total[span.name] += last - first
        _fill(columns, first, last, span.name)
    covered = sum(min(1.0, sum(c.values())) for c in columns)
    kinds = tuple(sorted(total, key=lambda kind: -total[kind]))
    return Track(name, kinds, tuple(_blocks(columns)), covered / _NUM_COLUMNS)


def _fill(columns: list[dict[str, float]], first: float, last: float, kind: str) -> None:
    for c in range(max(0, int(first)), min(_NUM_COLUMNS, math.ceil(last))):
        part = min(last, c + 1.0) - max(first, float(c))
        columns[c][kind] = columns[c].get(kind, 0.0) + max(0.0, part)


def _blocks(columns: Sequence[dict[str, float]]) -> list[Block]:
    found: list[Block] = []
    for i, column in enumerate(columns):
        busy = min(1.0, sum(column.values()))
        if busy <= 0:
            continue
        kind, level = max(column, key=column.__getitem__), math.ceil(busy * _NUM_LEVELS - 1e-6)
        block = Block(i, i, kind, max(1, level))
        if found and found[-1].last == i - 1 and _alike(found[-1], block):
            found[-1] = Block(found[-1].first, i, kind, block.level)
        else:
            found.append(block)
    return found


def _alike(a: Block, b: Block) -> bool:
    return a.kind == b.kind and a.level == b.level


def _draw(track: Track, top_px: int) -> Markup:
    baseline = top_px + _BAR_PX + 4
    paths = [_path(track, shade, baseline) for shade in range(_NUM_SHADES)]
    label = tag(
        "text",
        tag("tspan", track.name, class_="name"),
        tag("tspan", _key(track.kinds), x=0, dy="1.15em", class_="tick small"),
        x=0,
        y=top_px + 12,
    )
    rule = tag("line", x1=_LEFT_PX, x2=_RIGHT_PX, y1=baseline, y2=baseline, class_="grid")
    busy = tag("text", f"{track.busy:.0%}", x=_WIDTH_PX, y=baseline - 3, class_="name end")
    return tag("g", label, rule, *paths, busy)


def _path(track: Track, shade: int, baseline: int) -> Markup:
    shown = track.kinds[shade : shade + 1] if shade < _NUM_SHADES - 1 else track.kinds[shade:]
    parts = []
    for b in track.blocks:
        if b.kind in shown:
            height, width = _BAR_PX * b.level / _NUM_LEVELS, b.last - b.first + 1
            corner = f"M{_LEFT_PX + b.first} {baseline}"
            parts.append(f"{corner}v-{height:g}h{width}v{height:g}z")
    if not parts:
        return Markup("")
    return tag("path", tag("title", ", ".join(shown)), d="".join(parts), class_=f"shade-{shade}")


def _key(kinds: Sequence[str], limit: int = 38) -> Markup:
    # A square in the shade of its kind, then the name; what has no room is named by the tooltip.
    named = [*kinds[: _NUM_SHADES - 1], *(["other"] if len(kinds) >= _NUM_SHADES else [])]
    parts: list[object] = []
    used = 0
    for shade, kind in enumerate(named):
        words = kind if len(kind) < limit else kind[: limit - 2] + "\u2026"
        used += len(words) + 3
        if used > limit and parts:
            break
        parts += [tag("tspan", "\u25a0", class_=f"shade-{shade}"), f" {words}  "]
    return join(parts)


def _time_axis(length_s: float, bottom_px: int) -> Markup:
    scale = linear_scale(length_s, _LEFT_PX, _RIGHT_PX)
    parts = []
    for tick in scale.ticks:
        if tick > length_s * 1.0001:
            continue
        x = _LEFT_PX + tick / length_s * _NUM_COLUMNS
        parts.append(tag("line", x1=x, x2=x, y1=2, y2=bottom_px, class_="grid"))
        words = format_quantity(tick, "s") if tick else "0"
        parts.append(tag("text", words, x=x, y=bottom_px + 16, class_="tick mid"))
    return tag("g", *parts)
