"""HTML and SVG elements as text that is escaped by construction.

A child or attribute that is not `Markup` is escaped, so user-supplied text can never become an
element. Every element made here is closed: pages built from `tag` alone are balanced and the SVG
in them is well-formed XML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

Attribute = str | int | float | None

# Written `<name/>` when they hold nothing; `title` inside a shape is its tooltip.
_EMPTY = frozenset({"br", "circle", "col", "hr", "line", "meta", "path", "rect"})
# Characters that XML 1.0 (section 2.2) refuses even when written as a reference.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_URL = re.compile(r"https?://[^\s<>\"'()]+[^\s<>\"'().,;:]")


class Markup(str):
    """Text that is markup already and is not escaped again."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Escape `value`, unless it is `Markup`."""
    if isinstance(value, Markup):
        return value
    return Markup(escape(_NOT_XML.sub("\ufffd", str(value)), quote=True))


def join(parts: Iterable[object], separator: str = "") -> Markup:
    """Put escaped parts one after the other."""
    return Markup(text(separator).join(text(part) for part in parts))


def tag(name: str, /, *children: object, **attributes: Attribute) -> Markup:
    """One element. `class_` is written `class`, `stroke_width` is written `stroke-width`.

    Attributes that are None are left out; numbers keep two decimals, enough for a drawing.
    """
    head = name + "".join(_attribute(k, v) for k, v in attributes.items() if v is not None)
    if name in _EMPTY and not children:
        return Markup(f"<{head}/>")
    return Markup(f"<{head}>{join(children)}</{name}>")


def _attribute(name: str, value: Attribute) -> str:
    written = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
    return f' {name.rstrip("_").replace("_", "-")}="{text(written)}"'


def linked(words: str) -> Markup:
    """Escape `words` and turn each http(s) address in it into a link that shows the address."""
    parts: list[object] = []
    end = 0
    for match in _URL.finditer(words):
        parts += [words[end : match.start()], tag("a", match[0], href=match[0], rel="noreferrer")]
        end = match.end()
    return join([*parts, words[end:]])
