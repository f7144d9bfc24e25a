"""`nki.typing`: annotations of a kernel's tensor parameters.

`tensor` alone, or with a shape as in `tensor[128, 512]`, says what is expected; `mutable_tensor`
marks an argument that the kernel writes. The kernel itself is not bound by them.
"""

from __future__ import annotations

from typing import Any

from glia.core.errors import KernelError


class TensorType:
    """An annotation: the expected shape (None = any) and whether the kernel writes the argument."""

    __slots__ = ("mutable", "shape")

    def __init__(self, shape: tuple[Any, ...] | None = None, mutable: bool = False) -> None:
        self.shape = shape
        self.mutable = mutable

    def __getitem__(self, shape: Any) -> TensorType:
        return TensorType(shape if isinstance(shape, tuple) else (shape,), self.mutable)

    def __call__(self, *args: Any, **kwargs: Any) -> TensorType:
        raise KernelError(
            "nki.typing.tensor(...): got a call, expected an annotation such as "
            "nki.typing.tensor[128, 512]; allocate with nl.ndarray"
        )

    def __repr__(self) -> str:
        name = "mutable_tensor" if self.mutable else "tensor"
        return name if self.shape is None else f"{name}{list(self.shape)}"


tensor = TensorType()
mutable_tensor = TensorType(mutable=True)

__all__ = ["mutable_tensor", "tensor"]
