"""What is wrong with the arguments of a call, said once it is known that they do not fit."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def misfit(
    name: str, signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> str:
    """`got X, expected name(parameters); do Z` for arguments that `signature` does not bind.

    Names the argument that is too much before the one that is missing: a misspelt name is both.
    """
    parameters = signature.parameters
    positional = [p.name for p in parameters.values() if p.kind in _POSITIONAL]
    given = set(positional[: len(args)])
    missing = [
        p.name
        for p in parameters.values()
        if p.default is p.empty
        and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        and p.name not in given | kwargs.keys()
    ]
    expected = f"expected {name}({shown_parameters(signature)})"
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    unknown = [] if takes_any else [k for k in kwargs if k not in parameters]
    twice = [k for k in kwargs if k in given]
    if unknown:
        free = missing or [k for k in parameters if k not in given | kwargs.keys()]
        got = f"an unexpected keyword argument {unknown[0]!r}"
        return f"got {got}, {expected}{_nearest(unknown[0], free, missing)}"
    if twice:
        return f"got multiple values for argument {twice[0]!r}, {expected}; give it once"
    takes_more = any(p.kind is p.VAR_POSITIONAL for p in parameters.values())
    if len(args) > len(positional) and not takes_more:
        return (
            f"got too many positional arguments: {len(args)}, {expected}; at most "
            f"{len(positional)} can be given by position"
        )
    word = "argument" if len(missing) == 1 else "arguments"
    listed = ", ".join(map(repr, missing))
    return f"got {_count(args, kwargs)}, {expected}; missing a required {word}: {listed}"


def _count(args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    number = len(args) + len(kwargs)
    return f"{number or 'no'} argument{'s' * (number != 1)}"


def _nearest(wrong: str, free: Sequence[str], missing: Sequence[str]) -> str:
    near = difflib.get_close_matches(wrong, free, n=1, cutoff=0.5)
    likely = near[0] if near else missing[0] if len(missing) == 1 else ""
    return f"; did you mean {likely!r}?" if likely else ""


def shown_parameters(signature: inspect.Signature) -> str:
    """The parameters as one calls them: names and defaults, without types."""
    return ", ".join(_parameter(p) for p in signature.parameters.values())


def _parameter(parameter: inspect.Parameter) -> str:
    if parameter.kind is parameter.VAR_KEYWORD:
        return f"**{parameter.name}"
    stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else ""
    if parameter.default is parameter.empty:
        return stars + parameter.name
    default = parameter.default
    if isinstance(default, Enum):
        return f"{parameter.name}={type(default).__name__}.{default.name}"
    return f"{parameter.name}={default!r}"
