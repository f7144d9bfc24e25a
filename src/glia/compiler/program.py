"""The compiled model: an HBM plan, weights, and kernel launches in order.

A Program needs no graph and no framework to run: it can be saved, loaded and executed elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from glia.compiler.view import View
from glia.core.dtypes import DType
from glia.core.records import SourceLine
from glia.graph.ir import Graph
from glia.isa.stream import Stream

BufferKind = Literal["input", "weight", "activation", "output"]


@dataclass(frozen=True, slots=True)
class Buffer:
    """A dense piece of HBM: `num_bytes` at byte `offset` of the program's memory."""

    name: str
    kind: BufferKind
    num_bytes: int
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Port:
    """A named input or output of the program.

    `type_name` and `shape` are what the user's side sees; the view is where it lives in HBM.
    """

    name: str
    shape: tuple[int, ...]
    type_name: str
    view: View


@dataclass(frozen=True, slots=True)
class Launch:
    """One kernel launch: a stream, and where its HBM storages live.

    `places` gives, for each input and then each output of the stream, the buffer and the byte of
    the first element. `value` is the graph value it computes, `view` where that can be read;
    `reads` are the values it was computed from.
    """

    kernel: str
    stream: str
    places: tuple[tuple[str, int], ...]
    value: str
    view: View
    op: str
    layer: str
    depth: int
    reads: tuple[str, ...] = ()
    source: SourceLine | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """A model compiled for one chip at one precision.

    `values` tells where each named value of the graph lives; an activation is there from its
    launch until the last launch that reads it. `sources` is the readable NKI source of every
    kernel, by file name.
    """

    name: str
    chip: str
    precision: str
    buffers: Mapping[str, Buffer]
    weights: Mapping[str, np.ndarray]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    launches: tuple[Launch, ...]
    streams: Mapping[str, Stream]
    sources: Mapping[str, str]
    values: Mapping[str, View]
    notes: tuple[str, ...]
    num_sequences: int = 1

    @property
    def hbm_bytes(self) -> int:
        """Bytes of HBM from the first to the last buffer."""
        return max((b.offset + b.num_bytes for b in self.buffers.values()), default=0)

    def bytes_of(self, *kinds: BufferKind) -> int:
        """Bytes in buffers of these kinds (activations may share memory)."""
        return sum(b.num_bytes for b in self.buffers.values() if b.kind in kinds)

    @property
    def num_instructions(self) -> int:
        """Instructions executed by all launches."""
        return sum(len(self.streams[one.stream].instructions) for one in self.launches)


def chip_format(dtype: DType) -> str:
    """How a graph dtype is stored in HBM: bool as one byte of 0 or 1."""
    return "uint8" if dtype.kind == "bool" else dtype.name


@dataclass(frozen=True, slots=True)
class Compiled:
    """A program and the rewritten graph that it was lowered from: what a proof compares."""

    program: Program
    graph: Graph
