"""Values of a Program on one virtual core: HBM as one array, launches in order.

Used by the virtual device; needs no graph and no framework.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from glia.compiler.program import Launch, Port, Program
from glia.compiler.view import View
from glia.core.dtypes import DTYPES, DType
from glia.core.errors import UsageError
from glia.isa.target import target_of
from glia.silicon import Core, Hbm

Observe = Callable[[Launch, np.ndarray, Callable[[str], np.ndarray]], None]


class Executor:
    """A program loaded on a core; `run` may be called any number of times."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.core = Core(target_of(program.chip))
        self.memory = np.zeros(program.hbm_bytes, np.uint8)
        for name, data in program.weights.items():
            buffer = program.buffers[name]
            place = self.memory[buffer.offset : buffer.offset + data.nbytes]
            place[...] = np.ascontiguousarray(data).reshape(-1).view(np.uint8)

    def run(
        self, inputs: Mapping[str, np.ndarray], observe: Observe | None = None
    ) -> dict[str, np.ndarray]:
        """Execute every instruction of every launch; returns outputs by name, in user dtypes.

        `observe(launch, value, read)` is called after each launch that computes a named value;
        `read(name)` gives any value that the launch reads.

        Raises:
            UsageError: for a missing input, a wrong shape, or integers that the chip cannot hold.
        """
        self._fill(inputs)
        for launch in self.program.launches:
            stream = self.program.streams[launch.stream]
            storages = (*stream.inputs, *stream.outputs)
            places = {
                storage.index: Hbm(self.memory, self.program.buffers[name].offset + byte)
                for storage, (name, byte) in zip(storages, launch.places, strict=True)
            }
            self.core.run(stream, places)
            if observe is not None and launch.value:
                observe(launch, self.read(launch.view), self._value)
        return {port.name: self._output(port) for port in self.program.outputs}

    def _value(self, name: str) -> np.ndarray:
        return self.read(self.program.values[name])

    def read(self, view: View) -> np.ndarray:
        """A view of HBM as an array that shares the memory."""
        return view.bind(self.memory, self.program.buffers[view.buffer].offset)

    def _fill(self, inputs: Mapping[str, np.ndarray]) -> None:
        names = {port.name for port in self.program.inputs}
        if names != set(inputs):
            raise UsageError(
                f"running {self.program.name}: got inputs {sorted(inputs)}, expected "
                f"{sorted(names)}; pass one array per input, by name"
            )
        for port in self.program.inputs:
            self.read(port.view)[...] = _as_stored(port, inputs[port.name])

    def _output(self, port: Port) -> np.ndarray:
        array = self.read(port.view)
        if port.type_name == "bool":
            return array.astype(np.bool_)
        wanted = np.float32 if array.dtype.kind not in "iub" else np.dtype(port.type_name)
        return array.astype(wanted)


def _as_stored(port: Port, array: np.ndarray) -> np.ndarray:
    array = np.asarray(array)
    if array.shape != port.shape:
        raise UsageError(
            f"input {port.name!r}: got shape {array.shape}, expected {port.shape}; the program is "
            "compiled for fixed shapes"
        )
    wanted = DTYPES[port.type_name]
    if not _takes(wanted, array.dtype):
        raise UsageError(
            f"input {port.name!r}: got {array.dtype}, expected {wanted}; convert the array"
        )
    target = port.view.dtype.numpy
    if target.kind in "iu" and array.dtype.kind in "iu" and array.size:
        limits = np.iinfo(target)
        low, high = int(array.min()), int(array.max())
        if low < limits.min or high > limits.max:
            raise UsageError(
                f"input {port.name!r}: got integers {low}..{high}, expected {limits.min}.."
                f"{limits.max}: the chip has 32-bit integers"
            )
    return array.astype(target)


def _takes(wanted: DType, given: np.dtype) -> bool:
    """Same kind of number; narrow floats of ml_dtypes count as floats."""
    found = next((d for d in DTYPES.values() if d.numpy == given), None)
    if found is None:
        return False
    kinds = {"int": "integer", "uint": "integer"}
    return kinds.get(found.kind, found.kind) == kinds.get(wanted.kind, wanted.kind)
