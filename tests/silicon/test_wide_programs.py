"""The invariants of time and energy for programs with loops on the device, turned DMAs, cores and
ranks that meet."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import glia.nki as nki
import glia.nki.collectives as ncc
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.chips import load_chip
from glia.isa.stream import Stream
from glia.silicon import Timing, schedule_together
from glia.silicon.profile import predicted
from glia.silicon.time.collectives import collective_s
from silicon.test_invariants import check_alone
from silicon.test_timeline import serial_s

ROWS, COLUMNS = 128, 64
CHIP = load_chip("trn2")
OPS = ["load", "add", "exp", "product", "turn", "loop", "reduce", "gather", "barrier", "exchange"]
Step = tuple[str, int, int]
steps = st.lists(st.tuples(st.sampled_from(OPS), st.integers(0, 2), st.integers(0, 2)), max_size=10)
shapes = st.sampled_from([(1, 1), (1, 2), (2, 1), (4, 1), (2, 2)])  # ranks, cores of each
few = settings(deadline=None, max_examples=15)


def tile(rows: int = ROWS, columns: int = COLUMNS) -> Any:
    return nl.ndarray((rows, columns), nl.float32, nl.sbuf)


def hbm(rows: int = ROWS) -> Any:
    return nl.ndarray((rows, COLUMNS), nl.float32, nl.shared_hbm)


class Writer:
    """Issues steps on three tiles; meetings only where there is someone to meet."""

    def __init__(self, x: Any, ranks: int, cores: int) -> None:
        self.x, self.ranks, self.cores = x, ranks, cores
        self.tiles = [tile() for _ in range(3)]
        for one in self.tiles:
            nisa.dma_copy(one, x)
        self.meet = None
        if cores > 1:
            self.meet = hbm()
            nisa.dma_copy(self.meet, x)

    def issue(self, what: str, i: int, k: int) -> None:
        a, c = self.tiles[i], self.tiles[k]
        if what == "load":
            nisa.dma_copy(c, self.x)
        elif what == "add":
            nisa.tensor_tensor(c, a, self.tiles[(i + 1) % 3], op=nl.add)
        elif what == "exp":
            nisa.activation(c, op=nl.tanh, data=a)
        elif what == "product":
            sums = nl.ndarray((COLUMNS, COLUMNS), nl.float32, nl.psum)
            nisa.nc_matmul(sums, a, self.tiles[(i + 2) % 3])
            nisa.tensor_scalar(c[0:COLUMNS], sums, op0=nl.multiply, operand0=0.01)
        elif what == "turn":
            turned = tile(COLUMNS, ROWS)
            nisa.dma_transpose(turned, self.x)
            nisa.tensor_copy(c[0:COLUMNS], turned[:, 0:COLUMNS])
        elif what == "loop":
            for _ in nl.dynamic_range(i + 2):
                nisa.tensor_tensor(c, c, a, op=nl.maximum)
                nisa.dma_copy(a, self.x)
        elif what in ("reduce", "gather"):
            self.collective(what, c)
        elif what == "barrier" and self.meet is not None:
            nisa.core_barrier(self.meet, (0, 1))
        elif what == "exchange" and self.meet is not None and i != k:
            other = 1 - int(nl.program_id(0))
            nisa.sendrecv(a, c, other, other, pipe_id=0)

    def collective(self, what: str, c: Any) -> None:
        if self.ranks == 1 or self.cores > 1:
            return
        group = ncc.ReplicaGroup([list(range(self.ranks))])
        given = hbm()
        nisa.dma_copy(given, c)
        got = hbm(ROWS if what == "reduce" else ROWS * self.ranks)
        if what == "reduce":
            ncc.all_reduce([given], [got], replica_group=group, op=nl.add)
        else:
            ncc.all_gather([given], [got], replica_group=group, collective_dim=0)
        nisa.dma_copy(c, got[0:ROWS])


def made(program: list[Step], ranks: int, cores: int, more: int = 0) -> tuple[Stream, ...]:
    """The streams of a launch; `more` adds instructions that nothing depends on."""

    def kernel(x):
        write = Writer(x, ranks, cores)
        for what, i, k in program:
            write.issue(what, i, k)
        for _ in range(more):
            nisa.memset(tile(), 1.0, engine=nisa.engine.gpsimd)
        core = int(nl.program_id(0)) if cores > 1 else 0
        out = hbm(3 * ROWS * cores)
        for i, one in enumerate(write.tiles):
            first = (3 * core + i) * ROWS
            nisa.dma_copy(out[first : first + ROWS], one)
        return out

    x = np.random.default_rng(5).random((ROWS, COLUMNS), np.float32)
    runs = nki.simulate_ranks(kernel, ranks, target="trn2")[cores].run([{"x": x}] * ranks)
    return tuple(stream for run in runs for stream in run.streams)


def moving_s(stream: Stream, timing: Timing, cores: int) -> float:
    """The collectives of a stream, one after the other."""
    return sum(
        collective_s(
            one.work.collective, timing, cores,
            one.work.dma.hbm_read_bytes + one.work.dma.hbm_write_bytes if one.work.dma else 0,
        )
        for one in stream.instructions
        if one.work.collective is not None
    )  # fmt: skip


@few
@given(steps, shapes, st.sampled_from(["optimistic", "likely", "pessimistic"]))
def test_time(program: list[Step], shape: tuple[int, int], bound: Any):
    ranks, cores = shape
    streams = made(program, ranks, cores)
    timing = Timing.of(CHIP.silicon, bound, CHIP.link)
    lines = schedule_together(streams, timing)
    assert schedule_together(made(program, ranks, cores), timing) == lines
    for stream, line in zip(streams, lines, strict=True):
        check_alone(stream, line, timing)
    shared = timing.shared_by(min(len(streams), timing.cores_per_stack))
    serial = sum(serial_s(s, shared) + moving_s(s, shared, cores) for s in streams)
    assert max(line.makespan_s for line in lines) <= serial
    more = schedule_together(made(program, ranks, cores, more=3), timing)
    assert max(t.dataflow_s for t in more) >= max(t.dataflow_s for t in lines) - 1e-15


@few
@given(steps, shapes)
def test_energy(program: list[Step], shape: tuple[int, int]):
    streams = made(program, *shape)
    found, again = (predicted(s, "trn2") for s in (streams, made(program, *shape)))
    assert (found.time, found.energy, found.power) == (again.time, again.energy, again.power)
    static = CHIP.silicon.energy.static_power.estimate()
    share = len(streams) / CHIP.silicon.num_cores
    for end in ("low", "likely", "high"):
        least = getattr(static, end) * share * getattr(found.time, end)
        assert getattr(found.energy, end) >= least * (1 - 1e-12)
    assert found.power.likely * found.time.likely == pytest.approx(found.energy.likely)
    limit = CHIP.power.tdp.value * share
    said = any("is above" in note for note in found.notes)
    assert said == (found.power.likely > limit)
