"""`NKIObject`: the public base class of what kernels handle, theirs and the language's own."""

from __future__ import annotations

from typing import Any


class _Unset:
    """A field that was declared without a value: leaving it out is no error, reading it is.

    Kernels that public tools accept construct dataclasses of this base without all of their fields
    (nki-library 2.29, mlp_tkg_constants.py); their parser has no constructor that could complain.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        if self.name not in instance.__dict__:
            raise AttributeError(
                f"reading {owner.__name__}.{self.name}: got a field that was never given a value, "
                "expected one; pass it when the object is made"
            )
        return instance.__dict__[self.name]

    def __set__(self, instance: Any, value: Any) -> None:
        if value is not self:  # what @dataclass passes for an argument left out
            instance.__dict__[self.name] = value


class NKIObject:
    """Base class of configuration objects in kernels; keyword arguments become attributes."""

    __slots__ = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Attributes of a kernel's class, as kernels that run on hardware declare and fill them.

        Public kernels put `@dataclass` on their classes: attributes without types are fields all
        the same (nki-library 2.29, attention_cte), and typed ones may be left out (`_Unset`).
        """
        super().__init_subclass__(**kwargs)
        own = vars(cls)
        if "__slots__" in own:
            return
        typed = own.get("__annotations__")
        if typed is None:
            plain = [n for n, v in own.items() if not n.startswith("__") and not _behaves(v)]
            cls.__annotations__ = dict.fromkeys(plain, Any)
            return
        for name, kind in typed.items():
            if name not in own and "ClassVar" not in str(kind):
                setattr(cls, name, _Unset(name))

    def __init__(self, **kwargs: Any) -> None:
        for name, value in kwargs.items():
            setattr(self, name, value)


def _behaves(value: Any) -> bool:
    """True for methods, properties and the like: what an object does, not what it holds."""
    return callable(value) or hasattr(value, "__get__") or hasattr(value, "__set__")
