"""Which rules `glia fix` can rewrite: one registered function each; the rest is left by hand.

This is the one place that says so: what `glia check` tells about automatic fixes is read from here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from glia.port.fix.editing.edits import Fix, Refusal
from glia.port.source.hits import Hit

Share = Literal["yes", "partly"]
# None: the place needs nothing by itself, because another place of the same rule mends it.
Rewrite = Callable[[Hit], Fix | Refusal | None]


@dataclass(frozen=True, slots=True)
class Rewriter:
    """What mends a rule. `share`: every usual place (yes), or some of them (partly).

    `is_guard`: the place decides whether other code runs; it is rewritten only together with that
    code. `always`: done wherever the file is, also where the place alone would do no harm.
    """

    rule: str
    share: Share
    rewrite: Rewrite
    is_guard: bool
    always: bool


_FOUND: dict[str, Rewriter] = {}


def rewrites(
    *rules: str, share: Share, is_guard: bool = False, always: bool = False
) -> Callable[[Rewrite], Rewrite]:
    """Register a function as what mends these rules."""

    def register(rewrite: Rewrite) -> Rewrite:
        for rule in rules:
            if rule in _FOUND:
                raise ValueError(f"registering a rewriter for {rule}: got two, expected one")
            _FOUND[rule] = Rewriter(rule, share, rewrite, is_guard, always)
        return rewrite

    return register


@cache
def rewriters() -> dict[str, Rewriter]:
    """All of them, by rule."""
    from glia.port.fix.rewriters import (  # noqa: F401 each registers its functions
        accelerators,
        casting,
        data,
        devices,
        distributed,
        flags,
        guards,
        memory,
        rng,
        streams,
    )

    return dict(_FOUND)


def autofix_of(rule: str) -> Literal["yes", "partly", "no"]:
    """How much of a rule's places `glia fix` rewrites."""
    found = rewriters().get(rule)
    return found.share if found is not None else "no"
