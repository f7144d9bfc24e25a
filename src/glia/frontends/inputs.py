"""Rules about example inputs that hold for every frontend: formats, ranges, number of sequences."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

from glia.core.dtypes import dtype
from glia.core.errors import ModelError

_INT32 = np.iinfo(np.int32)


def check_inputs(model: str, inputs: Mapping[str, np.ndarray]) -> None:
    """Refuse inputs that no chip can take: float64, complex, 64-bit integers beyond 32 bits.

    Raises:
        ModelError: naming all such inputs and what to do about each.
    """
    problems = [p for name, array in inputs.items() if (p := _problem(name, array))]
    if problems:
        raise ModelError(f"reading the inputs of {model}: {'; '.join(problems)}")


def _problem(name: str, array: np.ndarray) -> str:
    format = dtype(array.dtype)
    if format.name == "float64":
        return f"{name}: got float64, which the chips lack, expected float32; convert with .float()"
    if format.kind == "complex":
        return (
            f"{name}: got {format}, which the chips lack, expected real numbers; pass the real and "
            "imaginary parts as two float32 inputs"
        )
    if format.name not in ("int64", "uint64", "uint32") or array.size == 0:
        return ""
    low, high = int(array.min()), int(array.max())
    if _INT32.min <= low and high <= _INT32.max:
        return ""
    return (
        f"{name}: got {format} values from {low} to {high}, expected {_INT32.min} to {_INT32.max}, "
        "because the chips compute with 32-bit integers; renumber the values"
    )


def num_sequences(shapes: Iterable[tuple[int, ...]]) -> int:
    """How many sequences one call handles: the first dim that all inputs share, else 1."""
    leading = {shape[0] for shape in shapes if shape}
    return leading.pop() if len(leading) == 1 else 1


def input_hash(inputs: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over names, types and bytes of the inputs."""
    digest = hashlib.sha256()
    for name, array in inputs.items():
        digest.update(f"{name}:{array.dtype}:{array.shape};".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
