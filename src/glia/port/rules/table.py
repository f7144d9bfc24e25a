"""All rules by identifier, and by the places where they look."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from glia.port.rules import (
    accelerators,
    casting,
    compiling,
    data,
    devices,
    distributed,
    environment,
    flags,
    kernels,
    libraries,
    memory,
    operators,
    optim,
    precision,
    profiling,
    queries,
    rng,
    semantics,
    setup,
    shapes,
    storing,
    streams,
    sync,
)
from glia.port.rules.conditions import in_torch_file
from glia.port.rules.rule import Rule, Trigger
from glia.port.source.hits import Hit, Kind

_CATEGORIES = (
    devices,
    accelerators,
    queries,
    memory,
    streams,
    rng,
    data,
    casting,
    precision,
    flags,
    kernels,
    libraries,
    compiling,
    sync,
    shapes,
    semantics,
    operators,
    distributed,
    environment,
    optim,
    storing,
    profiling,
    setup,
)

WIDE = "cuda"  # rules that look at every text look for this in it; a test holds them to it
RULES: dict[str, Rule] = {rule.id: rule for part in _CATEGORIES for rule in part.RULES}


def rules_at(hit: Hit) -> Iterator[Rule]:
    """The rules that speak at a place."""
    if hit.kind in ("use", "import"):
        candidates = _named(hit.kind, hit.key)
    else:
        table = _index()
        candidates = next(filter(None, (table.get(place) for place in _places(hit))), ())
    for rule, trigger in candidates:
        if trigger.torch_only and not in_torch_file(hit):
            continue
        if trigger.when is None or trigger.when(hit):
            yield rule


def is_watched(kind: Kind, key: str) -> bool:
    """False when no rule looks at places of this kind and key, so that none speaks there."""
    if kind in ("use", "import"):
        return bool(_named(kind, key))
    table = _index()
    if (kind, key) in table or kind == "function":
        return True
    if kind != "string":
        return False
    first = f"{key.partition('_')[0]}_*", f"{key.partition(' ')[0]} *"
    return WIDE in key or any((kind, wide) in table for wide in first)


def _places(hit: Hit) -> Iterator[tuple[str, str]]:
    """The key itself, for texts also their first word (`NCCL_*`, `nvidia-smi *`), then all."""
    yield hit.kind, hit.key
    if hit.kind == "string":
        yield hit.kind, f"{hit.key.partition('_')[0]}_*"
        yield hit.kind, f"{hit.key.partition(' ')[0]} *"
    if hit.kind in ("string", "function"):
        yield hit.kind, "*"


@cache
def _named(kind: str, key: str) -> tuple[tuple[Rule, Trigger], ...]:
    """Those registered under the key, else under the longest `prefix.*` of it."""
    table = _index()
    exact = table.get((kind, key))
    if exact is not None:
        return exact
    parts = key.split(".")
    for end in range(len(parts) - 1, 0, -1):
        prefix = ".".join(parts[:end])
        wide = table.get((kind, f"{prefix}.*"))
        if wide is not None:
            return wide
    return ()


@cache
def _index() -> dict[tuple[str, str], tuple[tuple[Rule, Trigger], ...]]:
    found: dict[tuple[str, str], list[tuple[Rule, Trigger]]] = {}
    for rule in RULES.values():
        for trigger in rule.triggers:
            for key in trigger.keys:
                found.setdefault((trigger.kind, key), []).append((rule, trigger))
    return {place: tuple(rules) for place, rules in found.items()}
