"""The table of aten rules: one small function per op, declared with `@rule`.

A rule takes the Emitter, then the op's arguments by its schema (positional ones positional,
keyword-only ones by keyword), without those that say nothing about values (device, layout, ...).
It returns the result's Value, or a tuple of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

RULES: dict[str, Callable[..., Any]] = {}

_MEANINGLESS = {
    "layout",
    "device",
    "pin_memory",
    "non_blocking",
    "memory_format",
    "copy",
    "generator",
    "requires_grad",
    "cudnn_enable",
    "cudnn_enabled",
}


def rule(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare the rule of the aten ops `names`: `add` for all overloads, or `sum.dim_IntList`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            if name in RULES:
                raise ValueError(f"the rule of aten op {name!r} is declared twice")
            RULES[name] = function
        return function

    return decorate


def find(target: Any) -> Callable[..., Any] | None:
    """The rule of an fx call target, if there is one."""
    schema = getattr(target, "_schema", None)
    if schema is None or not schema.name.startswith("aten::"):
        return None
    name = schema.name.removeprefix("aten::")
    return RULES.get(f"{name}.{schema.overload_name or 'default'}") or RULES.get(name)


def bind(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], dict]:
    """The arguments of a call by the op's schema, defaults filled in."""
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    for index, argument in enumerate(target._schema.arguments):
        given = args[index] if index < len(args) else kwargs.get(argument.name, _default(argument))
        if argument.name in _MEANINGLESS:
            continue
        if argument.kwarg_only:
            keywords[argument.name] = given
        else:
            positional.append(given)
    return positional, keywords


def _default(argument: Any) -> Any:
    return argument.default_value if argument.has_default_value() else None
