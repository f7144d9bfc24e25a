"""Tensors without a kernel, and the positions that a view of one selects."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import glia.nki.language as nl
from glia.isa.tensors.tensor import NkiTensor

F32 = nl.float32


def hbm(*shape: int, kind: Any = F32) -> NkiTensor:
    return NkiTensor(shape, kind, None, nl.shared_hbm)


def sbuf(*shape: int, kind: Any = F32) -> NkiTensor:
    return NkiTensor(shape, kind, None, nl.sbuf)


def numbers(tensor: NkiTensor) -> np.ndarray:
    """Memory in which every element is its own position in the storage."""
    return np.arange(math.prod(tensor.storage.shape), dtype=np.int64)


def seen(tensor: NkiTensor) -> np.ndarray:
    """The positions a view selects, by the documented formula."""
    memory = numbers(tensor)
    steps = tuple(s * memory.itemsize for s in tensor.strides)
    return np.ndarray(tensor.shape, memory.dtype, memory, tensor.offset * memory.itemsize, steps)
