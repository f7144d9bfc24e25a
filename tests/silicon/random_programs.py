"""Small random kernels over a few tiles, as hypothesis draws them."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.dtypes import dtype
from glia.isa.launch.builder import StreamBuilder, tracing
from glia.isa.stream import ALONE, Place, Stream
from glia.isa.target import Target, target_of
from glia.silicon import Core, Hbm

TARGET = target_of("trn2")
ROWS, COLUMNS, TILES = 64, 96, 4
Step = tuple[int, int, int, int, int, int]
OPS = 11

steps = st.lists(
    st.tuples(
        st.integers(0, OPS - 1),
        *(st.integers(0, TILES - 1),) * 3,
        st.integers(0, 7),
        st.integers(1, 4),
    ),
    max_size=24,
)


def build(
    program: list[Step], more: int = 0, target: Target = TARGET, place: Place = ALONE
) -> Stream:
    """Trace a program; `more` adds that many instructions that nothing depends on.

    On one of two cores some steps are meetings.
    """
    fp32 = dtype("float32")
    builder = StreamBuilder("random", target, place)
    with tracing(builder):
        x = builder.storage((TILES * ROWS, COLUMNS), fp32, "hbm", "x", "input")
        several = place.num_cores > 1
        out = builder.storage((TILES * ROWS, COLUMNS), fp32, "hbm", "out", shared=several)
        if several:
            meet = builder.storage((ROWS, COLUMNS), fp32, "hbm", "meet", shared=True)
            nisa.dma_copy(meet, x[0:ROWS])
        else:
            meet = None
        tiles = [nl.ndarray((ROWS, COLUMNS), nl.float32) for _ in range(TILES)]
        banks = [nl.ndarray((ROWS, COLUMNS), nl.float32, nl.psum) for _ in range(2)]
        for i, tile in enumerate(tiles):
            nisa.dma_copy(tile, x[i * ROWS : (i + 1) * ROWS])
            nisa.dma_copy(out[i * ROWS : (i + 1) * ROWS], tile)
        for bank in banks:
            nisa.memset(bank, 0.25)
        for step in program:
            _issue(step, x, out, tiles, banks, meet)
        for _ in range(more):
            nisa.memset(nl.ndarray((ROWS, COLUMNS), nl.float32), 1.0, engine=nisa.engine.gpsimd)
    builder.mark_output(out)
    return builder.finish([x])


def pair(program: list[Step]) -> list[Stream]:
    """The same program on both cores of a logical core."""
    return [build(program, place=Place(core, 2)) for core in (0, 1)]


def _issue(step: Step, x, out, tiles, banks, meet) -> None:
    op, i, j, k, place, width = step
    cols = slice(place * 12, min(COLUMNS, (place + width) * 12))
    a, b, c = (tiles[n][:, cols] for n in (i, j, k))
    bank = banks[k % 2]
    if op == 0:
        nisa.dma_copy(c, x[i * ROWS : (i + 1) * ROWS, cols])
    elif op == 1:
        nisa.dma_copy(out[k * ROWS : (k + 1) * ROWS, cols], a)
    elif op == 2:
        nisa.tensor_tensor(c, a, b, op=nl.add)
    elif op == 3:
        nisa.activation(c, op=nl.tanh if j % 2 else nl.sigmoid, data=a)
    elif op == 4:
        nisa.tensor_tensor(c, a, b, op=nl.subtract, engine=nisa.engine.gpsimd)
    elif op == 5:
        nisa.nc_matmul(bank[:, cols], tiles[i][:, 0:ROWS], b, accumulate=False)
    elif op == 6:
        nisa.tensor_scalar(c, bank[:, cols], op0=nl.multiply, operand0=0.125)
    elif op == 8:
        nisa.tensor_copy(tiles[k][:, 0:COLUMNS:2], tiles[i][:, 1:COLUMNS:2])
    elif op == 9 and meet is not None:
        nisa.core_barrier(meet, (0, 1), engine=[nisa.engine.vector, nisa.engine.gpsimd][i % 2])
    elif op == 10 and meet is not None and i != k:
        partner = 1 - int(nl.program_id(0))
        nisa.sendrecv(tiles[i], tiles[k], partner, partner, pipe_id=j)
    else:
        short = nl.ndarray((ROWS, cols.stop - cols.start), nl.float32)
        nisa.tensor_scalar(short, a, op0=nl.multiply, operand0=0.5)
        nisa.tensor_copy(c, short)


def inputs() -> np.ndarray:
    """The values of x."""
    data = np.random.default_rng(3).standard_normal((TILES * ROWS, COLUMNS))
    return data.astype(np.float32)


def places(stream: Stream) -> tuple[dict[int, Hbm], np.ndarray]:
    """HBM for one launch, and the array that takes the output."""
    result = np.zeros((TILES * ROWS, COLUMNS), np.float32)
    found = {stream.inputs[0].index: Hbm.of(inputs()), stream.outputs[0].index: Hbm.of(result)}
    return found, result


def run(stream: Stream, core: Core | None = None) -> np.ndarray:
    """The output of one launch."""
    found, result = places(stream)
    (core or Core(TARGET)).run(stream, found)
    return result
