"""The program among its siblings, order, and printing from the device."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from glia.core.errors import KernelError
from glia.isa.launch.context import current
from glia.isa.tensors.tensor import NkiTensor

Axes = int | Sequence[int]


def program_id(axis: int = 0) -> int:
    """This program's number along an axis of the launch grid."""
    _check_axes("nl.program_id", axis)
    return current("nl.program_id").place.core


def num_programs(axes: Axes = 0) -> int:
    """How many programs the launch grid has along these axes."""
    _check_axes("nl.num_programs", axes)
    return current("nl.num_programs").place.num_cores


def program_ndim() -> int:
    """Axes of the launch grid; 0 without one."""
    return 1 if current("nl.program_ndim").place.num_cores > 1 else 0


def _check_axes(what: str, axes: Axes) -> None:
    given = (axes,) if isinstance(axes, int) else tuple(axes)
    if any(axis != 0 for axis in given):
        raise KernelError(f"{what}: got axis {axes}, expected 0: the grid has one axis, the cores")


def no_reorder() -> AbstractContextManager[Any]:
    """A region whose instructions stay in program order, also those of functions called in it."""
    return current("nl.no_reorder").no_reorder()


def device_print(print_prefix: str, tensor: NkiTensor) -> None:
    """Print the prefix and the tensor's values: at once where the kernel is traced with data.

    Traced for its shapes only, a kernel prints the shape.
    """
    what = "nl.device_print"
    if not isinstance(print_prefix, str) or not isinstance(tensor, NkiTensor):
        raise KernelError(
            f"{what}: got {print_prefix!r} and {tensor!r}, expected a string and a tensor"
        )
    values = current(what).look(tensor)
    print(print_prefix, tensor if values is None else _shown(values))


def _shown(values: np.ndarray) -> str:
    return np.array2string(values, threshold=256, formatter={"float_kind": "{:.6g}".format})
