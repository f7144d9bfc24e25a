"""Meetings of the two cores of a logical core: the barrier, and the exchange of tiles.

Sources: aws-neuron-sdk nki/api/nki/isa/__init__.py (core_barrier, sendrecv), nki/get-started/about/
lnc.rst.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from glia.isa.dma_engine.descriptors import PACKET_BYTES
from glia.isa.engines import dma_engine as DmaEngine
from glia.isa.engines import engine as Engine
from glia.isa.launch.builder import current, instruction
from glia.isa.rules import on_chip, refusal, require, traffic
from glia.isa.stream import DmaWork, Instruction, Sync, Work
from glia.isa.tensors.tensor import NkiTensor
from glia.isa.undefined import moved

_CORES = (0, 1)
_GPSIMD_LIMIT_BYTES = {4: 1024, 2: 512, 1: 256}  # per partition, by the dtype's size


@instruction
def core_barrier(
    data: NkiTensor,
    cores: Sequence[int],
    engine: Engine = Engine.gpsimd,
    name: str | None = None,
) -> Instruction:
    """Both cores come here before either goes on; `data` is the shared tensor it is about.

    With `cores=(0,)` in a launch on one core there is nothing to wait for.

    Raises:
        KernelError: on a chip without logical cores, in a launch on one core, for other cores, or
            for data that the cores do not share.
    """
    what, b = "core_barrier", current()
    require(b.target.can.lnc2, what, b.target.chip, "a chip whose cores form logical cores")
    require(
        isinstance(data, NkiTensor) and data.storage.memory == "hbm",
        f"{what} data",
        f"{data!r}",
        "a tensor in nl.shared_hbm",
    )
    require(engine is not Engine.dma, what, "engine dma", "an engine that runs instructions")
    on = Engine.gpsimd if engine is Engine.unknown else engine
    if tuple(cores) == (0,) and b.place.num_cores == 1:
        return b.emit(what, on, (), (), Work(), _nothing)
    require(
        tuple(cores) == _CORES and b.place.num_cores == len(_CORES),
        f"{what} cores",
        f"{tuple(cores)} in a launch on {b.place.num_cores}",
        "(0, 1) in a launch on two",
        "launch it as kernel[2](...)",
    )
    number = b.shared_number(data, what)
    sync = Sync("barrier", _CORES, f"core_barrier on {data.storage.name} ({number})")
    return b.emit(what, on, (data,), (data,), Work(), _nothing, sync=sync)


def _nothing(*_: np.ndarray) -> None:
    """Order only."""


@instruction
def sendrecv(
    src: NkiTensor,
    dst: NkiTensor,
    send_to_rank: int,
    recv_from_rank: int,
    pipe_id: int,
    dma_engine: DmaEngine = DmaEngine.dma,
    name: str | None = None,
) -> Instruction:
    """Each core sends `src` to the other's `dst`; both in SBUF, of one shape and dtype.

    Calls with the same `pipe_id` meet in the order in which each core makes them. Elements of `src`
    that were never written stay undefined where they arrive.

    Raises:
        KernelError: outside a launch on two cores, for operands that differ or are elsewhere, for
            ranks that are not the other core, or beyond the limits of gpsimd_dma.
    """
    what, b = "sendrecv", current()
    require(b.target.can.lnc2, what, b.target.chip, "a chip whose cores form logical cores")
    require(
        b.place.num_cores == len(_CORES),
        what,
        f"a launch on {b.place.num_cores} core",
        "one on two",
        "launch it as kernel[2](...)",
    )
    _check_tiles(what, src, dst)
    other = 1 - b.place.core
    for role, rank in (("send_to_rank", send_to_rank), ("recv_from_rank", recv_from_rank)):
        require(_is(rank, other), f"{what} {role}", f"{rank!r}", f"the other core, {other}")
    require(_is_number(pipe_id), f"{what} pipe_id", f"{pipe_id!r}", "an int")
    software = dma_engine is DmaEngine.gpsimd_dma
    if software:
        _check_gpsimd(what, src)
    key = f"sendrecv pipe {int(pipe_id)} of {src.dtype}{list(src.shape)}"
    work = Work(dma=_work(src, software), sram=traffic(src, dst))
    sync = Sync("sendrecv", _CORES, key, _swap)
    if b.shadow(src).partly_written(src) is not None:
        b.uncertain.add(src.storage.index)
    carries = moved(_all_arrives)
    return b.emit(what, Engine.dma, (dst,), (src,), work, _nothing, sync=sync, carries=carries)


def _all_arrives(out: np.ndarray, _: np.ndarray) -> None:
    """What the other core left undefined is not known while this one is traced; the run tells."""
    out[...] = True


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _is(value: Any, number: int) -> bool:
    return _is_number(value) and int(value) == number


def _check_tiles(what: str, src: NkiTensor, dst: NkiTensor) -> None:
    on_chip(what, src=src, dst=dst)
    for role, view in (("src", src), ("dst", dst)):
        require(view.storage.memory == "sbuf", f"{what} {role}", f"{view!r}", "a tile in SBUF")
    if src.shape != dst.shape or src.dtype != dst.dtype:
        raise refusal(what, f"{src!r} to {dst!r}", "src and dst of one shape and one dtype")


def _check_gpsimd(what: str, src: NkiTensor) -> None:
    size = src.dtype.itemsize
    limit = _GPSIMD_LIMIT_BYTES.get(size, 0)
    require(
        src.free_size * size <= limit,
        f"{what} by gpsimd_dma",
        f"{src.free_size * size} bytes per partition of {src.dtype}",
        f"at most {limit}",
        "use dma_engine.dma, or send it in pieces",
    )


def _work(src: NkiTensor, software: bool) -> DmaWork:
    """What one core sends; its partner's bytes are in the partner's stream."""
    row = src.free_size * src.dtype.itemsize
    run = min(row, PACKET_BYTES)
    return DmaWork(
        num_bytes=row * src.shape[0],
        num_elements=src.shape[0] * -(-row // run),
        element_bytes=run,
        hbm_read_bytes=0,
        hbm_write_bytes=0,
        queue="gpsimd" if software else "sendrecv",
        software=software,
        static=not software,
    )


def _swap(operands: Sequence[Sequence[np.ndarray]]) -> None:
    """Arrays of core 0 and 1, dst before src; src may be dst itself."""
    (dst0, src0), (dst1, src1) = operands
    kept = src0.copy()
    dst0[...] = src1
    dst1[...] = kept
