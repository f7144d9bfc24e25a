"""Calls whose arguments do not fit: the mistake is named, not only what it leaves missing."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from glia.isa.engines import engine
from glia.isa.launch.misfit import misfit, shown_parameters


def copy(dst: Any, src: Any, priority: int | None = None, on: engine = engine.unknown) -> None: ...


def anything(*parts: Any, scale: float, **options: Any) -> None: ...


def nothing() -> None: ...


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "parts"),
    [
        (copy, (), {"dst": 1, "source": 2}, ["'source'", "did you mean 'src'"]),
        (copy, (1,), {"quelle": 2}, ["'quelle'", "did you mean 'src'"]),
        (copy, (1, 2), {"priorty": 2}, ["'priorty'", "did you mean 'priority'"]),
        (copy, (1,), {}, ["got 1 argument,", "missing a required argument: 'src'"]),
        (copy, (), {}, ["got no arguments", "arguments: 'dst', 'src'"]),
        (copy, (1,), {"dst": 2, "src": 3}, ["multiple values for argument 'dst'"]),
        (copy, (1, 2, 3, 4, 5, 6), {}, ["positional arguments: 6", "at most 4"]),
        (anything, (1, 2), {"x": 3}, ["missing a required argument: 'scale'"]),
        (nothing, (1,), {}, ["positional arguments: 1", "at most 0", "expected nothing()"]),
    ],
)
def test_what_does_not_fit_is_named(function: Any, args: Any, kwargs: Any, parts: list[str]):
    signature = inspect.signature(function)
    with pytest.raises(TypeError):  # Python's own judgement
        signature.bind(*args, **kwargs)
    text = misfit(function.__name__, signature, args, kwargs)
    assert all(part in text for part in parts), text


def test_the_parameters_are_shown_as_one_writes_them():
    assert shown_parameters(inspect.signature(copy)) == (
        "dst, src, priority=None, on=engine.unknown"
    )
    assert shown_parameters(inspect.signature(anything)) == "*parts, scale, **options"
