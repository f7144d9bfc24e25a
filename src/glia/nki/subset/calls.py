"""Calls of the public API whose arguments do not fit its signature."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from glia.nki.subset.names import gone_argument, is_assigned_result
from glia.nki.subset.rule import Hit, Rule, Scope
from glia.nki.subset.sources import API
from glia.nki.subset.statements import example

_BY_KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
Parameters = Mapping[str, inspect.Parameter]


@cache
def parameters_of(name: str) -> Parameters | None:
    """The parameters of a function of `nki` by its dotted name; None for what is no function."""
    import glia.nki.collectives
    import glia.nki.isa
    import glia.nki.language

    owner: Any = glia.nki
    for part in name.split(".")[1:]:
        owner = getattr(owner, part, None)
    if not inspect.isfunction(owner):
        return None
    found = inspect.signature(owner).parameters
    return None if any(p.kind in _VARIABLE for p in found.values()) else found


def _misfit(node: ast.AST, scope: Scope) -> Iterator[Hit]:
    if isinstance(node, ast.Call):
        name = scope.called(node.func)
        known = parameters_of(name) if name.startswith("nki.") else None
        if known is not None:
            yield from _of_call(node, name, known)


def _of_call(call: ast.Call, name: str, known: Parameters) -> Iterator[Hit]:
    short = name.rpartition(".")[2]
    given = [k for k in call.keywords if k.arg]
    for keyword in given:
        if keyword.arg not in known and not gone_argument(name, keyword.arg or ""):
            yield Hit(keyword.value, f"`{keyword.arg}=` of {short} ({_near(keyword.arg, known)})")
    if any(isinstance(a, ast.Starred) for a in call.args) or len(given) < len(call.keywords):
        return  # how many there are is not written here
    places = [p for p in known.values() if p.kind is not _BY_KEYWORD_ONLY]
    if len(call.args) > len(places):
        yield Hit(call.args[len(places)], _too_many(short, len(call.args), len(places)))
    taken = {p.name for p in places[: len(call.args)]}
    for keyword in given:
        if keyword.arg in taken:
            yield Hit(keyword.value, f"`{keyword.arg}=` of {short}, given by place as well")
    names = taken | {k.arg for k in given}
    missing = [p.name for p in known.values() if p.default is p.empty and p.name not in names]
    if missing and not is_assigned_result(call, name):
        words = ", ".join(f"`{one}`" for one in missing)
        yield Hit(call, f"{short} without {words} (it takes {', '.join(known)})")


def _near(name: str | None, known: Parameters) -> str:
    near = get_close_matches(name or "", known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    return f"{hint}it takes {', '.join(known)}"


def _too_many(short: str, got: int, expected: int) -> str:
    return f"{got} arguments by place of {short}, which takes at most {expected}"


CALLS = (
    Rule(
        "arguments",
        "error",
        "arguments that the function does not take",
        "call it as the API documents it",
        API,
        _misfit,
        example("nisa.dma_copy(dst=x, source=x)"),
        example("nisa.dma_copy(dst=x, src=x)"),
    ),
)
