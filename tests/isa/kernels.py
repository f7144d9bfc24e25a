"""A bench for instruction tests: trace calls on named inputs, run them, read a tensor back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any

import numpy as np
import pytest

from glia.core.dtypes import dtype
from glia.core.errors import KernelError
from glia.isa.launch.builder import INSTRUCTIONS, StreamBuilder, tracing
from glia.isa.target import target_of
from glia.isa.tensors.tensor import NkiTensor
from glia.silicon.execution.core import Core, Hbm


class Bench:
    """`with bench:` traces; `run(tensor)` gives what the tensor holds after all instructions."""

    def __init__(self, chip: str = "trn2", **inputs: np.ndarray) -> None:
        self.target = target_of(chip)
        self.builder = StreamBuilder("bench", self.target)
        self.inputs = inputs
        self.tensors = {
            name: self.builder.storage(a.shape, dtype(a.dtype), "hbm", name, "input")
            for name, a in inputs.items()
        }
        self._tracing: AbstractContextManager[Any] = tracing(self.builder)

    def __enter__(self) -> Bench:
        self._tracing.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tracing.__exit__(kind, error, trace)

    def __getitem__(self, name: str) -> NkiTensor:
        """An input, in HBM."""
        return self.tensors[name]

    def new(self, shape: tuple[int, ...], kind: Any, memory: str = "sbuf") -> NkiTensor:
        """Memory that was never written."""
        return self.builder.storage(shape, dtype(kind), memory, shared=memory == "hbm")

    def loaded(self, name: str) -> NkiTensor:
        """An input, in SBUF."""
        source = self.tensors[name]
        tile = self.new(source.shape, source.dtype)
        INSTRUCTIONS["dma_copy"](tile, source)
        return tile

    def run(self, tensor: NkiTensor) -> np.ndarray:
        """A copy of the tensor's values, through a store where it is on chip."""
        if tensor.on_chip:
            out = self.new(tensor.shape, tensor.dtype, "hbm")
            with tracing(self.builder):
                INSTRUCTIONS["dma_copy"](out, tensor)
            tensor = out
        self.builder.mark_output(tensor)
        stream = self.builder.finish(list(self.tensors.values()))
        places = {
            t.storage.index: Hbm.of(np.ascontiguousarray(self.inputs[n]))
            for n, t in self.tensors.items()
        }
        result = np.zeros(tensor.shape, tensor.dtype.numpy)
        places[tensor.storage.index] = Hbm.of(result)
        Core(self.target).run(stream, places)
        return result


@contextmanager
def refuses(message: str, chip: str = "trn2", expected: bool = True) -> Iterator[None]:
    """The calls inside are refused with this message; with `expected` false they are not."""
    builder = StreamBuilder("refused", target_of(chip))
    if not expected:
        with tracing(builder):
            yield
        return
    with pytest.raises(KernelError, match=message), tracing(builder):
        yield
