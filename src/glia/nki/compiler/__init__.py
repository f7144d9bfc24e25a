"""`nki.compiler`: glia compiles nothing for the device; what is asked for says so."""

from typing import Any


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"nki.compiler has no name {name!r}: glia runs kernels on the virtual chip and makes no "
        "device binary; use nki.simulate(kernel), or AWS's own nki package on an instance",
        name=name,
    )


__all__: list[str] = []
