"""Plain arguments of instructions: what no operation takes, whatever else it asks of them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from glia.isa.rules import refusal

_LARGEST = 1 << 128  # beyond what float32 holds


def check_plain(op: str, arguments: Mapping[str, Any]) -> None:
    """Refuse integers beyond float32, a name that is no text, and an engine that is no engine."""
    for role, value in arguments.items():
        if type(value) is int and not -_LARGEST < value < _LARGEST:
            raise refusal(
                f"{op} {role}",
                f"an integer of {value.bit_length()} bits",
                "a number that float32 holds",
            )
        if role == "name" and not (value is None or isinstance(value, str)):
            raise refusal(f"{op} name", f"{value!r}", "a string or None")
        if role == "engine" and not isinstance(value, Enum):
            raise refusal(f"{op} engine", f"{value!r}", "a member of nki.isa.engine")
