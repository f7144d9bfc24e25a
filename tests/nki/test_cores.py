"""Launches on two cores: shared memory, meetings, races, deadlocks, data asked for early."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.dtypes import dtype
from glia.core.errors import KernelError
from glia.isa.target import target_of
from glia.nki.kernel import TensorSpec

RNG = np.random.default_rng(5)
X = RNG.standard_normal((128, 64)).astype(np.float32)


def run(kernel: Any, *args: Any, target: str = "trn2", cores: int = 2) -> Any:
    return nki.simulate(nki.jit(kernel), target=target)[cores](*args)


def refused(kernel: Any, *parts: str, args: tuple[Any, ...] = (X,), **options: Any) -> str:
    with pytest.raises(KernelError) as caught:
        run(kernel, *args, **options)
    for part in parts:
        assert part in str(caught.value)
    return str(caught.value)


def line(kernel: Any, mark: str) -> str:
    """`file:line` of the line of a kernel that carries a mark."""
    text, first = inspect.getsourcelines(kernel)
    return f"test_cores.py:{first + next(i for i, row in enumerate(text) if mark in row)}"


def doubled(out: Any, x: Any) -> None:
    tile = nl.load(x)
    nisa.tensor_scalar(tile, tile, nl.multiply, 2.0)
    nisa.dma_copy(out, tile)


def halves(x: Any) -> Any:
    out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
    rows = x.shape[0] // nl.num_programs(0)
    mine = nl.ds(nl.program_id(0) * rows, rows)
    doubled(out[mine], x[mine])
    return out


def test_each_core_does_its_half():
    assert np.array_equal(run(halves, X), 2 * X)
    assert np.array_equal(run(halves, X, cores=1), 2 * X)
    assert np.array_equal(nki.simulate(nki.jit(halves)[2], target="trn2")(X), 2 * X)


def crossed(x: Any) -> Any:
    """Each core doubles its half; after a barrier it copies the other's half."""
    scratch = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
    out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
    core, rows = nl.program_id(0), x.shape[0] // 2
    mine, other = nl.ds(core * rows, rows), nl.ds((1 - core) * rows, rows)
    doubled(scratch[mine], x[mine])
    nisa.core_barrier(scratch, (0, 1))
    nisa.dma_copy(out[other], scratch[other])
    return out


def test_a_barrier_lets_a_core_read_what_the_other_wrote():
    assert np.array_equal(run(crossed, X), 2 * X)


def test_the_streams_of_both_cores_without_values():
    spec = TensorSpec(X.shape, dtype("float32"))
    streams = nki.jit(crossed)[2].trace_cores(spec, target=target_of("trn2"))
    assert [s.place.core for s in streams] == [0, 1]
    assert all(s.place.num_cores == 2 and len(s.shared) == 2 for s in streams)


def test_sendrecv_swaps_tiles():
    def kernel(x: Any) -> Any:
        out = nl.ndarray((2, *x.shape), x.dtype, nl.shared_hbm)
        core = nl.program_id(0)
        tile, got = nl.load(x), nl.ndarray(x.shape, x.dtype)
        nisa.tensor_scalar(tile, tile, nl.add, float(core))
        nisa.sendrecv(tile, got, 1 - core, 1 - core, pipe_id=0)
        nisa.sendrecv(got, got, 1 - core, 1 - core, 0, nisa.dma_engine.gpsimd_dma)
        nisa.sendrecv(got, got, 1 - core, 1 - core, 1)
        nisa.dma_copy(out[core], got)
        return out

    got = run(kernel, X)
    assert np.array_equal(got[0], X + 1)
    assert np.array_equal(got[1], X)


def test_a_read_without_a_barrier_is_a_race():
    def kernel(x: Any) -> Any:
        scratch = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        core = nl.program_id(0)
        if core == 0:
            nisa.dma_copy(scratch, x)  # the write
            nisa.dma_copy(out, x)
        else:
            nisa.dma_copy(out[0:1], scratch[5:6])  # the read
        return out

    message = refused(kernel, "core_barrier")
    assert line(kernel, "# the write") in message
    assert line(kernel, "# the read") in message


def whole(x: Any) -> Any:
    """A kernel of one core: both do all of it, and read back what they wrote."""
    scratch = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
    out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
    doubled(scratch, x)
    tile = nl.load(scratch)
    nisa.dma_copy(out, tile)
    return out


@pytest.mark.parametrize("asks", [False, True])
def test_both_cores_may_write_the_same_values(asks: bool):
    def kernel(x: Any) -> Any:
        out = whole(x)
        if asks:
            str(out)
        return out

    assert np.array_equal(run(kernel, X), 2 * X)


@pytest.mark.parametrize("asks", [False, True])
def test_both_cores_may_not_write_different_values(asks: bool):
    def kernel(x: Any) -> Any:
        out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        tile = nl.load(x)
        nisa.tensor_scalar(tile, tile, nl.add, float(nl.program_id(0)))
        nisa.dma_copy(out, tile)  # here
        if asks:
            str(tile)
        return out

    assert line(kernel, "# here") in refused(kernel, "different values")


def test_a_read_before_this_cores_own_write_is_a_race():
    def kernel(x: Any) -> Any:
        doubled(x, x)
        return x

    refused(kernel, "nothing between them")


def test_both_cores_may_copy_a_tensor_onto_itself():
    def kernel(x: Any) -> Any:
        nisa.dma_copy(x, x)
        return x

    assert np.array_equal(run(kernel, X.copy()), X)


def test_both_cores_adding_to_the_same_bytes_is_a_race():
    def kernel(x: Any) -> Any:
        nisa.dma_compute(x, [x, x], nl.add)
        return x

    refused(kernel, "different values", args=(X.copy(),))


def cleared(x: Any, reads: str = "") -> Any:
    """Both cores clear the whole, then both write it in parts."""
    out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
    seen = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
    nisa.dma_copy(out, nl.zeros(x.shape, x.dtype))
    for rows in (nl.ds(0, 64), nl.ds(64, 64)):
        nisa.dma_copy(out[rows], x[rows])
    if reads:
        nisa.dma_copy(seen, out)
    return out


def test_both_cores_may_write_the_same_bytes_in_the_same_order():
    assert np.array_equal(run(cleared, X), X)


def test_reading_bytes_that_the_other_core_may_be_clearing_is_a_race():
    refused(lambda x: cleared(x, "seen"), "nothing between them")


@pytest.mark.parametrize("core", [0, 1])
def test_clearing_what_only_the_other_core_fills_is_a_race(core: int):
    def kernel(x: Any) -> Any:
        out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        nisa.dma_copy(out, nl.zeros(x.shape, x.dtype))
        if nl.program_id(0) == core:
            nisa.dma_copy(out[0:64], x[0:64])
        return out

    refused(kernel, "nothing between them")


def test_the_same_writes_in_another_order_are_a_race():
    def kernel(x: Any) -> Any:
        out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        rows = [nl.ds(0, 128), nl.ds(0, 64)]
        for part in rows if nl.program_id(0) == 0 else reversed(rows):
            nisa.dma_copy(out[part], x[part])
        return out

    refused(kernel, "nothing between them")


def test_two_writes_are_a_race_even_of_one_element():
    def kernel(x: Any) -> Any:
        out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        rows = 65 if nl.program_id(0) == 0 else 64
        start = 0 if nl.program_id(0) == 0 else 64
        nisa.dma_copy(out[start : start + rows], x[start : start + rows])
        return out

    refused(kernel, "writes", "nothing between them")


def test_interleaved_elements_are_no_race():
    def kernel(x: Any) -> Any:
        out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        mine = slice(nl.program_id(0), x.shape[1], 2)
        nisa.dma_copy(out[:, mine], x[:, mine])
        return out

    assert np.array_equal(run(kernel, X), X)


def test_a_shared_read_that_nobody_wrote():
    def kernel(x: Any) -> Any:
        scratch = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        nisa.core_barrier(scratch, (0, 1))
        if nl.program_id(0) == 0:
            nisa.dma_copy(out, scratch)  # here
        return out

    assert line(kernel, "# here") in refused(kernel, "no core has written")


def test_a_missing_barrier_is_named_with_the_write_that_it_should_follow():
    def kernel(x: Any) -> Any:
        scratch = nl.ndarray((2, *x.shape), x.dtype, nl.shared_hbm)
        out = nl.ndarray((2, *x.shape), x.dtype, nl.shared_hbm)
        core = nl.program_id(0)
        nisa.dma_copy(scratch[core], x)  # the write
        nisa.dma_copy(out[core], scratch[1 - core])  # the read
        return out

    text = refused(kernel, "put nisa.core_barrier between that write and this read")
    assert text.startswith(line(kernel, "# the read")), text
    assert f"core 1 writes it at {line(kernel, '# the write')}" in text


def test_an_output_that_no_core_filled():
    def kernel(x: Any) -> Any:
        out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        if nl.program_id(0) == 0:
            nisa.dma_copy(out[0:100], x[0:100])
        return out

    refused(kernel, "no core wrote")


def test_an_output_that_no_core_stores_to():
    def kernel(x: Any) -> Any:
        nl.load(x[0:64])
        return nl.ndarray(x.shape, x.dtype, nl.shared_hbm)

    refused(kernel, "nothing was stored to it", "store to it with")


def test_a_barrier_that_one_core_never_reaches():
    def kernel(x: Any) -> Any:
        out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        nisa.dma_copy(out[nl.ds(64 * nl.program_id(0), 64)], x[0:64])
        if nl.program_id(0) == 0:
            nisa.core_barrier(out, (0, 1))  # alone
        return out

    message = refused(kernel, "core 1 at its end", "the same meeting")
    assert line(kernel, "# alone") in message


def test_cores_at_different_meetings():
    def kernel(x: Any) -> Any:
        out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        core = nl.program_id(0)
        tile = nl.load(x)
        if core == 0:
            nisa.core_barrier(out, (0, 1))  # one
        else:
            nisa.sendrecv(tile, tile, 0, 0, 0)  # other
        return out

    message = refused(kernel, "waiting at")
    assert line(kernel, "# one") in message and line(kernel, "# other") in message


def test_tiles_that_differ_do_not_meet():
    def kernel(x: Any) -> Any:
        width = 8 + nl.program_id(0)
        tile = nl.zeros((128, width), nl.float32)
        nisa.sendrecv(tile, tile, 1 - nl.program_id(0), 1 - nl.program_id(0), 0)
        return None

    refused(kernel, "float32[128, 8]", "float32[128, 9]")


@pytest.mark.parametrize("differ", ["shape", "dtype", "count"])
def test_shared_tensors_must_be_alike(differ: str):
    def kernel(x: Any) -> Any:
        one = nl.program_id(0) == 1
        if differ == "count" and one:
            nl.ndarray((4, 4), nl.float32, nl.shared_hbm)
        shape = (128, 65) if differ == "shape" and one else (128, 64)
        kind = nl.bfloat16 if differ == "dtype" and one else nl.float32
        nl.ndarray(shape, kind, nl.shared_hbm)

    refused(kernel, "shared tensor number", "alike")


def test_results_must_be_the_same_tensors():
    def kernel(x: Any) -> Any:
        outs = [nl.ndarray(x.shape, x.dtype, nl.shared_hbm) for _ in range(2)]
        mine = outs[nl.program_id(0)]
        nisa.dma_copy(mine, x)
        return mine

    refused(kernel, "not those of core 0")


def test_a_private_result_of_two_cores():
    def kernel(x: Any) -> Any:
        out = nl.ndarray(x.shape, x.dtype, nl.private_hbm)
        nisa.dma_copy(out, x)
        return out

    refused(kernel, "nl.shared_hbm")
    assert np.array_equal(run(kernel, X, cores=1), X)  # as the public documentation's own tests do


def barrier(*cores: int, private: bool = False) -> Any:
    def kernel(x: Any) -> None:
        region = nl.private_hbm if private else nl.shared_hbm
        nisa.core_barrier(nl.ndarray((4, 4), nl.float32, region), cores)

    return kernel


def exchange(**changed: Any) -> Any:
    def kernel(x: Any) -> None:
        other = 1 - nl.program_id(0)
        src = nl.zeros((128, changed.pop("width", 8)), nl.float32)
        given = {"send_to_rank": other, "recv_from_rank": other, "pipe_id": 0, **changed}
        dst = given.pop("dst", None)
        nisa.sendrecv(src, src if dst is None else dst(), **given)

    return kernel


BAD_MEETINGS = [
    ("other cores", barrier(0, 2), "cores", {}),
    ("three cores", barrier(0, 1, 2), "cores", {}),
    ("private data", barrier(0, 1, private=True), "this core's own", {}),
    ("barrier on one core", barrier(0, 1), "kernel[2]", {"cores": 1}),
    ("no logical cores", barrier(0, 1), "logical cores", {"target": "trn1", "cores": 1}),
    ("exchange on one core", exchange(), "kernel[2]", {"cores": 1}),
    ("to itself", exchange(send_to_rank=9), "send_to_rank", {}),
    ("from nobody", exchange(recv_from_rank=-1), "recv_from_rank", {}),
    ("pipe", exchange(pipe_id="a"), "pipe_id", {}),
    ("psum", exchange(dst=lambda: nl.ndarray((128, 8), nl.float32, nl.psum)), "SBUF", {}),
    ("shapes", exchange(dst=lambda: nl.zeros((128, 9), nl.float32)), "one shape", {}),
    ("dtypes", exchange(dst=lambda: nl.zeros((128, 8), nl.int32)), "one dtype", {}),
    ("gpsimd limit", exchange(width=257, dma_engine=nisa.dma_engine.gpsimd_dma), "1024", {}),
]  # fmt: skip


@pytest.mark.parametrize(("kernel", "text", "options"), [r[1:] for r in BAD_MEETINGS],
                         ids=[r[0] for r in BAD_MEETINGS])  # fmt: skip
def test_meetings_that_the_chip_does_not_have(kernel: Any, text: str, options: dict[str, Any]):
    refused(kernel, "test_cores.py:", text, **options)


def test_a_barrier_of_core_zero_alone_is_nothing():
    assert run(barrier(0), X, cores=1) is None


def test_more_cores_than_the_chip_has():
    refused(halves, "form no logical cores", target="trn1")
    with pytest.raises(KernelError, match="1 or 2"):
        nki.jit(halves)[3]
    with pytest.raises(KernelError, match="1 or 2"):
        nki.jit(halves)[2, 2]


def test_data_asked_for_across_cores():
    """Core 0 loads a register with what core 1 computes later in the program."""

    def kernel(n: Any) -> Any:
        counts = nl.ndarray((2, 1), nl.int32, nl.shared_hbm)
        out = nl.ndarray((2, 1), nl.int32, nl.shared_hbm)
        core = nl.program_id(0)
        tile = nl.load(n)
        nisa.tensor_scalar(tile, tile, nl.add, float(core))
        nisa.dma_copy(counts[core : core + 1], tile)
        nisa.core_barrier(counts, (0, 1))
        other = nl.load(counts[1 - core : 2 - core])
        trips = nisa.register_alloc(other)
        total = nl.zeros((1, 1), nl.int32)
        for _ in nl.dynamic_range(trips):
            nisa.tensor_scalar(total, total, nl.add, 10.0)
        nisa.dma_copy(out[core : core + 1], total)
        return out

    n = np.array([[3]], np.int32)
    assert run(kernel, n).tolist() == [[40], [30]]
    assert run(kernel, n).tolist() == [[40], [30]]


def test_data_asked_for_that_a_partner_never_sends():
    def kernel(x: Any) -> None:
        shared = nl.ndarray((1, 1), nl.int32, nl.shared_hbm)
        tile = nl.zeros((1, 1), nl.int32)
        if nl.program_id(0) == 0:
            nisa.core_barrier(shared, (0, 1))  # alone
            nisa.register_alloc(tile)

    assert line(kernel, "# alone") in refused(kernel, "core 1 at its end")


def test_an_error_on_one_core_ends_all():
    def kernel(x: Any) -> None:
        nl.zeros((128, 8), nl.float32)
        if nl.program_id(0) == 1:
            raise IndexError("of core 1")  # here

    message = refused(kernel, "IndexError: of core 1")
    assert line(kernel, "# here") in message


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_kernel_that_runs_whole_on_both_cores_and_copies_its_result_onto_itself(dynamic: bool):
    """Each core reads, at the end, all that it wrote itself, in pieces and alike."""

    def kernel(x: Any, steps: Any) -> Any:
        out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        at = nl.load(steps)
        for i in range(4):
            rows = nl.ds(at[0:1, i : i + 1] if dynamic else 32 * i, 32)
            doubled(out[rows], x[rows])
        nisa.dma_copy(out, out)
        return out

    steps = np.arange(0, 128, 32, dtype=np.int32)[None, :]
    assert np.array_equal(run(kernel, X, steps), 2 * X)
