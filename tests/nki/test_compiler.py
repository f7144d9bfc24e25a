"""The front end of `nki.compiler`: compiling is tracing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import glia.nki as nki
import glia.nki.language as nl
from glia.core.errors import KernelError
from glia.nki.compiler.frontend import NKIFrontend, ParserFrontend, TracerFrontend


def add_one(x: Any, rows: int) -> Any:
    tile = nl.load(x[:rows])
    out = nl.ndarray((rows, x.shape[1]), x.dtype, buffer=nl.shared_hbm)
    nl.store(out, nl.add(tile, 1.0))
    return out


@pytest.mark.parametrize("front_end", [ParserFrontend(), TracerFrontend()])
@pytest.mark.parametrize("kernel", [add_one, nki.jit(add_one)])
def test_a_kernel_compiles_without_running(front_end: NKIFrontend, kernel: Any):
    inputs = {"x": np.zeros((8, 4), np.float32), "rows": 3}
    found = front_end.compile(kernel, inputs=inputs, target="trn2", lnc=1, artifacts_dir="unused")
    (stream,) = found.streams
    assert [one.op for one in stream.instructions] == ["dma_copy", "tensor_scalar", "dma_copy"]
    assert stream.generation == "gen3"


def test_what_the_chip_refuses_does_not_compile():
    inputs = {"x": np.zeros((200, 4), np.float32), "rows": 200}
    with pytest.raises(KernelError, match="partitions"):
        ParserFrontend().compile(add_one, inputs=inputs, target="trn2")
