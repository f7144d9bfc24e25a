"""A device loop has one body: what may differ between its iterations, and what may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import KernelError
from glia.isa.launch.builder import StreamBuilder, tracing
from glia.isa.target import target_of


def traced(function: Any) -> Any:
    with tracing(StreamBuilder("test", target_of("trn2"))):
        return function()


def refused(function: Any, *parts: str) -> None:
    with pytest.raises(KernelError) as caught:
        traced(function)
    text = str(caught.value)
    assert text.startswith(f"{Path(__file__).name}:")
    for part in parts:
        assert part in text, text


def tile(width: int = 8) -> Any:
    return nl.zeros((128, width), nl.float32)


def test_an_immediate_that_changes():
    def run() -> None:
        x, k = tile(), 0
        for _ in nl.dynamic_range(3):
            nisa.tensor_scalar(x, x, nl.add, k)
            k = k + 1  # what ordinary code would do

    refused(run, "operand0", "got 1 in iteration 1 after 0 in the first", "device loop at")


def test_a_register_may_decide_where():
    def run() -> None:
        x = tile()
        for i in nl.dynamic_range(3):
            nisa.memset(x[:, i], 1.0)
            nisa.memset(x[:, i : i + 2], 1.0)
            nisa.memset(x[:, nl.ds(i * 2, 2)], 1.0)
            nisa.memset(x[:, 1:][:, i], 1.0)
            nisa.memset(x.ap([[8, 128], [1, 2]], offset=i), 1.0)
            nisa.memset(x[:, i.value + 1], 1.0)

    traced(run)


def test_a_python_counter_may_not():
    def run() -> None:
        x, k = tile(), 0
        for _ in nl.dynamic_range(3):
            nisa.memset(x[:, k], 1.0)
            k = k + 1  # what ordinary code would do

    refused(run, "memset dst", "offset 1", "offset 0", "iteration 1")


def test_a_tile_of_an_earlier_iteration():
    def run() -> None:
        last = None
        for _ in nl.dynamic_range(3):
            made = tile()
            nisa.tensor_copy(tile(), made if last is None else last)
            last = made

    refused(run, "iteration 0, used in iteration 1", "allocated before the loop")


def test_tiles_made_in_each_iteration_and_inner_loops_of_any_length():
    def run() -> None:
        out, count = tile(), nisa.register_alloc()
        for i in nl.dynamic_range(3):
            mine = tile()
            nisa.register_move(count, i)
            for _ in nl.dynamic_range(i):
                nisa.tensor_tensor(mine, mine, tile(), nl.add)
            while count:
                nisa.tensor_copy(out, mine)
                nisa.register_move(count, count - 1)
            nisa.tensor_copy(out, mine)

    traced(run)


@pytest.mark.parametrize("extra", [0, 2])
def test_another_number_of_calls(extra: int):
    def run() -> None:
        x, k = tile(), 0
        for _ in nl.dynamic_range(3):
            nisa.memset(x, 1.0)
            if k == extra:
                nisa.tensor_copy(x[:, :2], x[:, 2:4])
            k = k + 1  # what ordinary code would do

    refused(run, "body", "tensor_copy", "end of the body")


def test_another_call():
    def run() -> None:
        x, k = tile(), 0
        while_register = nisa.register_alloc(3)
        while while_register:
            if k:
                nisa.memset(x, 1.0)
            else:
                nisa.tensor_copy(x[:, :2], x[:, 2:4])
            k = k + 1  # what ordinary code would do
            nisa.register_move(while_register, while_register - 1)

    refused(run, "got memset", "after tensor_copy")


def test_python_numbers_in_registers_count_too():
    def run() -> None:
        k, reg = 0, nisa.register_alloc(0)
        for _ in nl.dynamic_range(3):
            nisa.register_move(reg, k)
            k = k + 1  # what ordinary code would do

    refused(run, "register_move src", "iteration 1")


@pytest.mark.parametrize("loop", ["for", "fori"])
def test_branching_on_the_variable_of_a_loop(loop: str):
    def body(i: Any) -> None:
        if i:
            tile()

    def run() -> None:
        if loop == "fori":
            nl.fori_loop(1, 3, body)
        else:
            for i in nl.dynamic_range(1, 3):
                body(i)

    refused(run, "branching on the variable of a loop")


def test_a_static_loop_around_a_device_loop():
    def run() -> None:
        x = tile()
        for k in range(3):
            for i in nl.dynamic_range(2):
                nisa.tensor_scalar(x[:, i], x[:, i], nl.add, k)

    traced(run)


def test_a_body_may_write_its_own_copy_of_the_variable():
    @nki.jit
    def kernel(x):
        out = nl.ndarray((128, 4), nl.float32, nl.shared_hbm)

        def body(i):
            nisa.dma_copy(out[:, i], x[:, i])
            nisa.register_move(i, 7)

        nl.fori_loop(0, 4, body)
        return out

    x = np.arange(512, dtype=np.float32).reshape(128, 4)
    assert np.array_equal(nki.simulate(kernel)(x), x)


@pytest.mark.parametrize("pattern", [[[4, 4], [1]], [[8, 128], [1.5, 2]], 3])
def test_a_pattern_that_is_no_list_of_pairs(pattern: Any):
    refused(lambda: tile().ap(pattern), "access pattern", "pairs [step, count]")


def test_an_offset_that_is_no_number():
    refused(lambda: tile().ap([[8, 128], [1, 2]], offset="2"), "offset '2'", "an integer")


@pytest.mark.parametrize("buffer", [nl.private_hbm, nl.shared_hbm], ids=["private", "shared"])
@pytest.mark.parametrize("returned", [True, False], ids=["returned", "read"])
def test_hbm_made_in_a_loop_is_the_bodys(buffer: Any, returned: bool):
    """There is one tensor for all iterations, which the next one takes again."""

    def kernel(x):
        total = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        for _ in nl.dynamic_range(3):
            made = nl.ndarray(x.shape, x.dtype, buffer)
            nisa.dma_copy(made, x)
            nisa.dma_copy(total, made)
        if returned:
            return made
        nisa.dma_copy(total, made)
        return total

    with pytest.raises(KernelError, match=r"a tensor made inside the device loop at .*after the"):
        nki.simulate(kernel, target="trn2")(np.ones((4, 4), np.float32))
