"""`NKIObject`: the public base class of what kernels handle, theirs and the language's own."""

from __future__ import annotations

from typing import Any


class NKIObject:
    """Base class of configuration objects in kernels; keyword arguments become attributes."""

    __slots__ = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """A class that declares its attributes without types declares them as fields all the same.

        Public kernels put `@dataclass` on such classes (nki-library, attention_cte) and name the
        attributes when they make objects of them.
        """
        super().__init_subclass__(**kwargs)
        if "__annotations__" not in cls.__dict__ and "__slots__" not in cls.__dict__:
            plain = {n: v for n, v in vars(cls).items() if not n.startswith("__")}
            fields = [n for n, v in plain.items() if not callable(v) and not _describes(v)]
            if fields:
                cls.__annotations__ = dict.fromkeys(fields, Any)

    def __init__(self, **kwargs: Any) -> None:
        for name, value in kwargs.items():
            setattr(self, name, value)


def _describes(value: Any) -> bool:
    """True for properties and the like: how an attribute is found, not what it holds."""
    return hasattr(value, "__get__") or hasattr(value, "__set__")
