"""The proof as a picture: the error of every compared value against its budget, log scale.

Values stand in program order from left to right. Filled dots are errors of the whole model up to
that value; rings are the error of one launch alone. The first value over budget is named.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from glia.core.records import LayerError, Parity
from glia.report.markup import Markup, join, tag
from glia.report.scales import Scale, log_scale
from glia.report.wording import error_text

_WIDTH_PX, _HEIGHT_PX = 960, 290
_LEFT_PX, _RIGHT_PX, _TOP_PX, _BOTTOM_PX = 58, 948, 24, 248
_LETTER_PX, _LABEL_GAP_PX = 6.0, 14


def error_plot(parity: Parity, colour: int) -> Markup:
    """The error plot of one target; an empty proof gives an empty plot that says so."""
    layers = parity.layers
    if not layers:
        return tag("p", "Nothing was compared.", class_="empty")
    scale = log_scale(_positive_values(layers), _BOTTOM_PX, _TOP_PX)
    step = (_RIGHT_PX - _LEFT_PX) / len(layers)
    xs = [_LEFT_PX + step * (i + 0.5) for i in range(len(layers))]
    return tag(
        "svg",
        tag("title", f"Error of {len(layers)} values against their budgets on {parity.device}"),
        _bands(layers, step),
        _axis(scale),
        _budget([x.budget for x in layers], scale, step, "budget"),
        _budget([x.local_budget for x in layers], scale, step, "budget local"),
        *(_ring(x, e, scale) for x, e in zip(xs, layers, strict=True) if e.local is not None),
        *(_dot(x, e, scale) for x, e in zip(xs, layers, strict=True)),
        _first_failure(parity, xs, scale),
        viewBox=f"0 0 {_WIDTH_PX} {_HEIGHT_PX}",
        role="img",
        xmlns="http://www.w3.org/2000/svg",
        class_=f"chip-{colour}",
    )


def _positive_values(layers: Sequence[LayerError]) -> Iterator[float]:
    for e in layers:
        yield from (e.relative, e.budget)
        yield from (v for v in (e.local, e.local_budget) if v is not None)


def _axis(scale: Scale) -> Markup:
    parts = []
    for tick in scale.ticks:
        y = scale.px(tick)
        parts.append(tag("line", x1=_LEFT_PX, x2=_RIGHT_PX, y1=y, y2=y, class_="grid"))
        words = f"1e{round(math.log10(tick)):d}"
        parts.append(tag("text", words, x=_LEFT_PX - 8, y=y + 4, class_="tick end"))
    return tag("g", *parts)


def _bands(layers: Sequence[LayerError], step: float) -> Markup:
    # Alternate shading by model layer; the name only where it has room.
    parts: list[Markup] = []
    start, free_px = 0, float(_LEFT_PX)
    for i, (name, group) in enumerate(groupby(layers, key=lambda e: e.layer)):
        size = sum(1 for _ in group)
        x, width = _LEFT_PX + step * start, step * size
        if i % 2:
            height = _BOTTOM_PX - _TOP_PX
            parts.append(
                tag("rect", x=x, y=_TOP_PX, width=width, height=height, class_="band"),
            )
        words = _tail(".".join(name.split(".")[-2:]), 16)
        middle, half_px = x + width / 2, len(words) * _LETTER_PX / 2
        if free_px <= middle - half_px and middle + half_px <= _WIDTH_PX:
            parts.append(tag("text", words, x=middle, y=_BOTTOM_PX + 18, class_="tick mid"))
            free_px = middle + half_px + _LABEL_GAP_PX
        start += size
    caption = f"{len(layers)} values in program order"
    parts.append(tag("text", caption, x=_RIGHT_PX, y=_HEIGHT_PX - 6, class_="tick end"))
    return tag("g", *parts)


def _tail(name: str, limit: int) -> str:
    return name if len(name) <= limit else "\u2026" + name[len(name) - limit + 1 :]


def _budget(budgets: Sequence[float | None], scale: Scale, step: float, kind: str) -> Markup:
    # A staircase; it is interrupted where a value has no budget.
    path: list[str] = []
    drawing = False
    for i, budget in enumerate(budgets):
        if budget is None:
            drawing = False
            continue
        x, y = _LEFT_PX + step * i, scale.px(budget)
        path.append(f"{'L' if drawing else 'M'}{x:.1f} {y:.1f}H{x + step:.1f}")
        drawing = True
    return tag("path", d="".join(path), class_=kind) if path else Markup("")


def _dot(x: float, e: LayerError, scale: Scale) -> Markup:
    words = f"{e.name} ({e.op}): error {error_text(e.relative)}, budget {error_text(e.budget)}"
    y = _height(e.relative, scale)
    return tag("circle", tag("title", words), cx=x, cy=y, r=2.6, class_="dot" if e.ok else "fail")


def _ring(x: float, e: LayerError, scale: Scale) -> Markup:
    return tag("circle", cx=x, cy=_height(e.local or 0.0, scale), r=1.8, class_="ring")


def _height(error: float, scale: Scale) -> float:
    # NaN and infinity are the worst there is: draw them at the top, not at the floor.
    return scale.px(error) if math.isfinite(error) else scale.end_px


def _first_failure(parity: Parity, xs: Sequence[float], scale: Scale) -> Markup:
    first = parity.first_failure
    if first is None:
        return Markup("")
    x = xs[next(i for i, e in enumerate(parity.layers) if e is first)]
    is_whole = not first.relative <= first.budget
    y = _height(first.relative if is_whole else first.local or 0.0, scale)
    side = "end" if x > _WIDTH_PX / 2 else "start"
    words = f"first over budget: {_tail(first.name, 60)}"
    return join(
        [
            tag("line", x1=x, x2=x, y1=_TOP_PX - 4, y2=_BOTTOM_PX, class_="failline"),
            tag("circle", cx=x, cy=y, r=6, class_="failring"),
            tag("text", words, x=x, y=_TOP_PX - 9, class_=f"failtext {side}"),
        ]
    )
