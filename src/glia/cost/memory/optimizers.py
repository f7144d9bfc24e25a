"""What optimizers keep per parameter, as those of PyTorch do, and a float32 master copy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from glia.cost.memory.architecture import Weight

_FLOAT32_BYTES = 4


@dataclass(frozen=True, slots=True)
class Optimizer:
    """One optimizer: what it is, and bytes of state for one tensor of a shape.

    `state_bytes(shape, itemsize)` leaves out the float32 step that each tensor has where
    `has_step`; `has_master` adds a float32 copy of weights in a narrower format.
    """

    title: str
    state_bytes: Callable[[tuple[int, ...], int], float]
    has_step: bool = True
    has_master: bool = False


def _elements(count: float) -> Callable[[tuple[int, ...], int], float]:
    return lambda shape, itemsize: count * itemsize * math.prod(shape)


def _float32(count: float) -> Callable[[tuple[int, ...], int], float]:
    return lambda shape, itemsize: count * _FLOAT32_BYTES * math.prod(shape)


def _factored(shape: tuple[int, ...], itemsize: int) -> float:
    """Rows and columns of matrices; vectors whole."""
    if len(shape) < 2:
        return float(itemsize * math.prod(shape))
    rows, columns = (*shape[:-1], 1), (*shape[:-2], 1, shape[-1])
    return float(itemsize * (math.prod(rows) + math.prod(columns)))


OPTIMIZERS: Mapping[str, Optimizer] = {
    "adamw": Optimizer(
        "AdamW, moments and master weights in float32", _float32(2), has_master=True
    ),
    "adamw-plain": Optimizer("torch.optim.AdamW on the weights as they are", _elements(2)),
    "sgd": Optimizer("SGD without momentum", _elements(0), has_step=False),
    "sgd-momentum": Optimizer("SGD with momentum", _elements(1), has_step=False),
    "adafactor": Optimizer("torch.optim.Adafactor", _factored),
}


def state_bytes(optimizer: Optimizer, weight: Weight, itemsize: int) -> float:
    """Bytes of state for all copies of one weight, whole."""
    each = optimizer.state_bytes(weight.shape, itemsize)
    if optimizer.has_step:
        each += _FLOAT32_BYTES
    if optimizer.has_master and itemsize < _FLOAT32_BYTES:
        each += _FLOAT32_BYTES * math.prod(weight.shape)
    return each * weight.copies
