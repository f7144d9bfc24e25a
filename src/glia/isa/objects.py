"""`NKIObject`: the public base class of what kernels handle, theirs and the language's own."""

from __future__ import annotations

from typing import Any


class NKIObject:
    """Base class of configuration objects in kernels; keyword arguments become attributes."""

    __slots__ = ()

    def __init__(self, **kwargs: Any) -> None:
        for name, value in kwargs.items():
            setattr(self, name, value)
