"""The manifest of a bundle: its exact form, and what must hold between its parts.

A file is never believed: keys and kinds are checked by the schema, then `check_program` makes sure
that no view, port or launch reaches outside its buffer or names what is not there.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from glia.chips import load_chip
from glia.compiler.program import Buffer, Launch, Port, Program
from glia.compiler.view import View
from glia.core.dtypes import DTYPES
from glia.core.errors import FormatError
from glia.core.figures import Estimate
from glia.core.records import SourceLine

_Count = Annotated[int, Field(ge=0)]
_File = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _Estimate(_Record):
    low: float
    likely: float
    high: float
    unit: str
    reason: str
    sources: tuple[str, ...]
    mark: str

    def made(self) -> Estimate:
        return Estimate(**dict(self))


class _Buffer(_Record):
    name: str
    kind: Literal["input", "weight", "activation", "output"]
    num_bytes: Annotated[int, Field(ge=1)]
    offset: _Count

    def made(self) -> Buffer:
        return Buffer(**dict(self))


class _View(_Record):
    buffer: str
    format: str
    shape: tuple[_Count, ...]
    strides: tuple[int, ...]
    offset: _Count

    def made(self) -> View:
        return View(**dict(self))


class _Port(_Record):
    name: str
    shape: tuple[_Count, ...]
    type_name: str
    view: _View

    def made(self) -> Port:
        return Port(self.name, self.shape, self.type_name, self.view.made())


class _Source(_Record):
    file: str
    line: int
    code: str


class _Launch(_Record):
    kernel: str
    stream: str
    places: tuple[tuple[str, _Count], ...]
    value: str
    view: _View
    op: str
    layer: str
    depth: int
    reads: tuple[str, ...]
    source: _Source | None

    def made(self) -> Launch:
        source = None if self.source is None else SourceLine(**dict(self.source))
        return Launch(**{**dict(self), "view": self.view.made(), "source": source})


class Manifest(_Record):
    """What `manifest.json` holds; `seal` is the hash of all the rest."""

    format: int
    glia_version: str
    name: str
    chip: str
    precision: Literal["bf16", "fp32"]
    num_sequences: Annotated[int, Field(ge=1)]
    predicted_latency: _Estimate
    notes: tuple[str, ...]
    buffers: tuple[_Buffer, ...]
    inputs: tuple[_Port, ...]
    outputs: tuple[_Port, ...]
    launches: tuple[_Launch, ...]
    values: dict[str, _View]
    streams: tuple[_File, ...]
    sources: tuple[_File, ...]
    sha256: dict[str, str]
    seal: str

    def file_names(self) -> set[str]:
        """Every other file of the bundle, relative to its folder."""
        tensors = {f"{name}.safetensors" for name in ("weights", "inputs", "outputs")}
        streams = {f"streams/{name}.json.gz" for name in self.streams}
        return tensors | streams | {f"kernels/{name}" for name in self.sources}


def check_program(program: Program) -> None:
    """Refuse a program whose parts do not fit together.

    Raises:
        FormatError: naming the first such part.
    """
    capacity = load_chip(program.chip).memory.capacity
    if capacity is not None and program.hbm_bytes > capacity.value:
        raise _misfit(program, f"{program.hbm_bytes} bytes of HBM", f"at most {capacity}")
    for name, view in program.values.items():
        _check_view(program, f"value {name}", view)
    for port in (*program.inputs, *program.outputs):
        _check_view(program, f"port {port.name}", port.view)
        if port.shape != port.view.shape or port.type_name not in DTYPES:
            raise _misfit(
                program, f"port {port.name} of {port.type_name}{port.shape}", "its view's"
            )
    _check_weights(program)
    for launch in program.launches:
        _check_launch(program, launch)
    if {launch.stream for launch in program.launches} != set(program.streams):
        raise _misfit(program, "streams that no launch uses", "each used")


def _check_view(program: Program, what: str, view: View) -> None:
    if view.buffer not in program.buffers or view.format not in DTYPES:
        raise _misfit(program, f"{what} as {view.format} in {view.buffer!r}", "a known place")
    if len(view.shape) != len(view.strides):
        raise _misfit(program, f"{what} with {len(view.strides)} strides", str(len(view.shape)))
    if 0 in view.shape:
        return
    reach = [s * (n - 1) for s, n in zip(view.strides, view.shape, strict=True)]
    low = view.offset + sum(r for r in reach if r < 0)
    end = (view.offset + sum(r for r in reach if r > 0) + 1) * view.dtype.itemsize
    if low < 0 or end > program.buffers[view.buffer].num_bytes:
        raise _misfit(program, f"{what} beyond buffer {view.buffer}", "a view inside it")


def _check_weights(program: Program) -> None:
    sizes = {b.name: b.num_bytes for b in program.buffers.values() if b.kind == "weight"}
    found = {name: max(data.nbytes, 1) for name, data in program.weights.items()}
    if sizes != found:
        wrong = sorted(n for n in sizes.keys() | found.keys() if sizes.get(n) != found.get(n))
        raise _misfit(program, f"other weights ({', '.join(wrong)})", "those of the buffers")


def _check_launch(program: Program, launch: Launch) -> None:
    what = f"launch of {launch.stream}"
    _check_view(program, what, launch.view)
    stream = program.streams.get(launch.stream)
    if stream is None:
        raise _misfit(program, what, f"one of {', '.join(sorted(program.streams))}")
    storages = (*stream.inputs, *stream.outputs)
    if len(storages) != len(launch.places):
        raise _misfit(program, f"{what} with {len(launch.places)} places", str(len(storages)))
    for storage, (name, byte) in zip(storages, launch.places, strict=True):
        strides = storage.strides
        format = storage.dtype.name
        if byte % storage.dtype.itemsize:
            raise _misfit(program, f"{what} at byte {byte} of {name}", "whole elements")
        start = byte // storage.dtype.itemsize
        dense = _dense(storage.shape) if strides is None else tuple(strides)
        _check_view(program, what, View(name, format, tuple(storage.shape), dense, start))


def _dense(shape: tuple[int, ...]) -> tuple[int, ...]:
    steps = np.cumprod((1, *shape[:0:-1]), dtype=object)[::-1]
    return tuple(int(s) for s in steps)


def _misfit(program: Program, got: str, expected: str) -> FormatError:
    return FormatError(
        f"reading the bundle of {program.name}: got {got}, expected {expected}; the manifest is "
        "damaged or altered, compile the model again"
    )
