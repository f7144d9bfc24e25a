"""`nki.jit` and `nki.simulate`: from a Python function to a traced stream, and to values.

The target is the `target` argument, else the environment variable of the public tools.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from glia.core.dtypes import DType
from glia.core.dtypes import dtype as find_dtype
from glia.core.errors import KernelError, choose
from glia.isa.builder import StreamBuilder, tracing
from glia.isa.stream import Stream
from glia.isa.target import Target, target_of
from glia.isa.tensor import NkiTensor
from glia.silicon.core import Core, Hbm

_ENVIRONMENT = "NEURON_PLATFORM_TARGET_OVERRIDE"
_CHIP_OF = {
    "gen2": "trn1", "gen3": "trn2", "gen4": "trn3",
    "trn1": "trn1", "inf2": "inf2", "trn2": "trn2", "trn3": "trn3",
}  # fmt: skip
_DEFAULT = "trn2"


class TensorSpec:
    """Shape, dtype and strides (in elements; None = dense) of a tensor argument."""

    __slots__ = ("dtype", "shape", "strides")

    def __init__(
        self, shape: Sequence[int], dtype: DType, strides: tuple[int, ...] | None = None
    ) -> None:
        self.shape = tuple(shape)
        self.dtype = dtype
        self.strides = strides


class Kernel:
    """A function under `nki.jit`. `trace` turns it into a Stream for given argument specs."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.signature = inspect.signature(function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Without hardware a call is a simulation, as with the public simulator's switch."""
        return simulate(self)(*args, **kwargs)

    def __getitem__(self, cores: int) -> Kernel:
        """`kernel[lnc]`; one core is supported."""
        if cores != 1:
            raise KernelError(f"kernel[{cores}]: got {cores} cores, expected 1 in this version")
        return self

    def trace(self, *args: Any, target: Target, **kwargs: Any) -> Stream:
        """Run the function once for these arguments; TensorSpecs become HBM inputs."""
        name = self.function.__name__
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError as error:
            raise KernelError(
                f"calling kernel {name}: {error}; expected {name}{self.signature}"
            ) from None
        builder = StreamBuilder(name, target)
        inputs: list[NkiTensor] = []
        for key, value in bound.arguments.items():
            bound.arguments[key] = _placed(value, key, builder, inputs)
        with tracing(builder):
            result = self.function(*bound.args, **bound.kwargs)
        for output in _outputs(result, name):
            builder.mark_output(output)
        return builder.finish(inputs)


def _placed(value: Any, key: str, builder: StreamBuilder, inputs: list[NkiTensor]) -> Any:
    """TensorSpecs, alone or in tuples and lists, as inputs in HBM; anything else as it is."""
    if isinstance(value, (tuple, list)):
        return type(value)(_placed(v, f"{key}_{i}", builder, inputs) for i, v in enumerate(value))
    if not isinstance(value, TensorSpec):
        return value
    made = builder.storage(value.shape, value.dtype, "hbm", key, "input", strides=value.strides)
    inputs.append(made)
    return made


def _outputs(result: Any, name: str) -> list[NkiTensor]:
    found = list(result) if isinstance(result, (tuple, list)) else [result]
    if not found or not all(isinstance(t, NkiTensor) for t in found):
        raise KernelError(
            f"kernel {name} returned {type(result).__name__}: expected one or more tensors in "
            "nl.shared_hbm; return what it computed"
        )
    return found


def jit(function: Callable[..., Any]) -> Kernel:
    """Mark a function as a kernel."""
    return Kernel(function)


def current_target(name: str | None = None) -> Target:
    """The target of this name or generation, else of the environment, else the default."""
    wanted = name or os.environ.get(_ENVIRONMENT) or _DEFAULT
    return target_of(_CHIP_OF[choose("target", wanted, _CHIP_OF)])


def simulate(kernel: Kernel, target: str | None = None) -> Callable[..., Any]:
    """Run a kernel on the virtual chip with NumPy (or torch CPU) arrays; returns NumPy arrays."""
    if not isinstance(kernel, Kernel):
        raise KernelError(f"nki.simulate: got {kernel!r}, expected a function under @nki.jit")
    chosen = current_target(target)

    def run(*args: Any, **kwargs: Any) -> Any:
        arrays: list[np.ndarray] = []
        specs = [_spec(a, arrays) for a in args]
        named = {k: _spec(v, arrays) for k, v in kwargs.items()}
        ordered = _in_signature_order(kernel, args, kwargs)
        stream = kernel.trace(*specs, target=chosen, **named)
        return execute(stream, ordered, Core(chosen))

    return run


def execute(stream: Stream, arrays: Sequence[np.ndarray], core: Core) -> Any:
    """Run a stream on dense input arrays (in the stream's input order); returns its outputs."""
    places = {
        s.index: Hbm.of(np.ascontiguousarray(a)) for s, a in zip(stream.inputs, arrays, strict=True)
    }
    results = [np.zeros(s.shape, s.dtype.numpy) for s in stream.outputs]
    for storage, result in zip(stream.outputs, results, strict=True):
        places[storage.index] = Hbm.of(result)
    core.run(stream, places)
    return results[0] if len(results) == 1 else tuple(results)


def _in_signature_order(kernel: Kernel, args: Any, kwargs: Any) -> list[np.ndarray]:
    try:
        bound = kernel.signature.bind(*args, **kwargs)
    except TypeError as error:
        raise KernelError(f"calling kernel {kernel.function.__name__}: {error}") from None
    return _arrays(tuple(bound.arguments.values()))


def _arrays(values: Any) -> list[np.ndarray]:
    """The arrays among arguments, tuples and lists opened."""
    if isinstance(values, (tuple, list)):
        return [array for value in values for array in _arrays(value)]
    return [_array(values)] if _is_array(values) else []


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or type(value).__module__.startswith("torch")


def _array(value: Any) -> np.ndarray:
    return value if isinstance(value, np.ndarray) else value.detach().cpu().numpy()


def _spec(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, (tuple, list)):
        return type(value)(_spec(v, arrays) for v in value)
    if not _is_array(value):
        return value
    array = _array(value)
    arrays.append(array)
    return TensorSpec(array.shape, find_dtype(array.dtype))
