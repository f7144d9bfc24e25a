"""Registers, device loops, the limit of endless ones, and order edges, while a kernel is traced."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import KernelError, UsageError
from glia.isa.launch.builder import StreamBuilder, current, tracing
from glia.isa.sequencers.registers import (
    VirtualRegister,
    dynamic_range,
    fori_loop,
    register_alloc,
    register_load,
    register_move,
    while_loop,
)
from glia.isa.sequencers.sequencer import register_store
from glia.isa.target import target_of

TRN2 = target_of("trn2")


def traced(function: Any) -> Any:
    with tracing(StreamBuilder("test", TRN2)):
        return function()


def refused(function: Any, *parts: str) -> None:
    with pytest.raises(KernelError) as caught:
        traced(function)
    assert Path(__file__).name in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


@given(st.integers(-(2**15), 2**15), st.integers(1, 2**15))
def test_arithmetic_is_that_of_integers(a: int, b: int):
    def run() -> None:
        for function in (
            operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod
        ):  # fmt: skip
            left, right = register_alloc(a), register_alloc(b)
            assert function(left, right).value == function(left, b).value == function(a, b)
        assert (a + register_alloc(b)).value == a + b
        assert (a - register_alloc(b)).value == a - b
        assert (a * register_alloc(b)).value == a * b

    traced(run)


@given(st.integers(-50, 50), st.integers(-50, 50), st.integers(1, 20))
def test_dynamic_range_counts_as_range(start: int, stop: int, step: int):
    def run() -> list[int]:
        registers = register_alloc(start), register_alloc(stop)
        return [i.value for i in dynamic_range(*registers, step)]

    assert traced(run) == list(range(start, stop, step))


def test_loops_over_registers():
    def run() -> tuple[list[int], list[int], list[int]]:
        seen: list[int] = []
        fori_loop(2, register_alloc(9), lambda i: seen.append(i.value), 3)
        counted: list[int] = []

        def body(r: VirtualRegister) -> VirtualRegister:
            counted.append(r.value)
            register_move(r, r - 1)
            return r

        while_loop(register_alloc(3), body)
        bare: list[int] = []
        reg = register_alloc()
        register_move(reg, 2)
        while reg:
            bare.append(reg.value)
            register_move(reg, reg.value - 1)
        return seen, counted, bare

    assert traced(run) == ([2, 5, 8], [3, 2, 1], [2, 1])


def test_the_body_of_a_loop_gets_its_register_by_value():
    def run() -> int:
        reg = register_alloc(1)

        def body(r: VirtualRegister) -> VirtualRegister:
            register_move(r, 0)
            return r

        while_loop(reg, body)
        return reg.value

    assert traced(run) == 1


def test_range_and_indexing_take_registers():
    def run() -> tuple[list[int], tuple[int, ...]]:
        reg = register_alloc(3)
        tile = nl.ndarray((128, 8), nl.float32)
        return list(range(reg)), tile[:, reg : reg + 2].shape

    assert traced(run) == ([0, 1, 2], (128, 2))


@pytest.mark.parametrize("kind", ["int32", "uint32", "int16", "uint8", "float32"])
def test_a_stored_register_arrives(kind: str):
    value = 7
    expected = np.array([[value]], np.int32 if kind == "float32" else kind)

    @nki.jit
    def kernel():
        tile = nl.ndarray((1, 1), kind)
        register_store(tile, register_alloc(value))
        out = nl.ndarray((1, 1), kind, nl.shared_hbm)
        nisa.dma_copy(out, tile)
        return out

    got = nki.simulate(kernel)()
    assert np.array_equal(got.view(expected.dtype), expected)  # 4 bytes: by their bits


def test_a_register_read_before_it_was_written():
    refused(lambda: list(range(register_alloc())), "never written")


def test_a_loop_owns_its_register():
    def run() -> None:
        for i in dynamic_range(3):
            register_move(i, 0)

    refused(run, "variable of a loop", "register_move")


def test_comparing_a_register_is_refused():
    refused(lambda: register_alloc(1) == 1, "comparing a register")
    refused(lambda: register_alloc(1) < 2, "comparing a register")


def test_numbers_of_more_than_32_bits():
    refused(lambda: register_alloc(2**32), "32 bits")
    refused(lambda: register_alloc(2**31) * 2, "32 bits")


def test_wrong_operands():
    refused(lambda: register_alloc("1"), "an int or a register")
    refused(lambda: register_move(3, 1), "a register from register_alloc")
    refused(lambda: register_alloc(1) % 0, "division by 0")
    refused(lambda: list(dynamic_range(0, 4, register_alloc(1))), "step")
    refused(lambda: list(dynamic_range(0, 4, 0)), "step")
    refused(lambda: while_loop(register_alloc(1), lambda r: None), "while_loop body's result")


def test_stores_and_loads_of_one_element_only():
    def wide() -> None:
        register_store(nl.ndarray((1, 2), nl.int32), register_alloc(1))

    def narrow() -> None:
        register_store(nl.ndarray((1, 1), nl.uint8), register_alloc(300))

    def psum() -> None:
        register_load(register_alloc(), nl.ndarray((1, 1), nl.float32, nl.psum))

    def unwritten() -> None:
        register_load(register_alloc(), nl.ndarray((1, 1), nl.int32))

    refused(wide, "one element")
    refused(narrow, "300 into uint8")
    refused(psum, "one element")
    refused(unwritten, "never written")


def test_data_in_a_kernel_traced_without_data():
    def run() -> None:
        tile = nl.zeros((1, 1), nl.int32)
        reg = register_alloc()
        register_load(reg, tile)  # loading alone is no use of the value
        if reg:
            pass

    refused(run, "traced without data", "nki.simulate")


def test_an_endless_loop_is_named_by_its_line(monkeypatch):
    monkeypatch.setenv("GLIA_MAX_INSTRUCTIONS", "50")

    def empty() -> None:
        reg = register_alloc(1)
        while reg:  # the line of the error
            pass

    def busy() -> None:
        reg = register_alloc(1)
        while reg:  # the line of the error
            nl.zeros((1, 1), nl.int32)

    for function in (empty, busy):
        line = function.__code__.co_firstlineno + 2
        refused(function, f"{Path(__file__).name}:{line}:", "does not end", "GLIA_MAX_INSTRUCTIONS")


def test_device_loops_have_a_limit_of_their_own(monkeypatch):
    monkeypatch.setenv("GLIA_MAX_LOOP_ITERATIONS", "50")

    def endless() -> None:
        reg = register_alloc(1)
        while reg:  # the line of the error
            nl.zeros((1, 1), nl.int32)

    def counted() -> None:
        for _ in range(3):
            for _ in dynamic_range(20):
                pass

    line = endless.__code__.co_firstlineno + 2
    refused(endless, f"{Path(__file__).name}:{line}:", "does not end", "more than 50 iterations")
    refused(counted, "more than 50 iterations", "GLIA_MAX_LOOP_ITERATIONS")
    refused(lambda: fori_loop(0, 60, lambda i: None), "GLIA_MAX_LOOP_ITERATIONS")


@pytest.mark.parametrize("variable", ["GLIA_MAX_INSTRUCTIONS", "GLIA_MAX_LOOP_ITERATIONS"])
def test_the_limit_must_be_a_count(monkeypatch, variable: str):
    monkeypatch.setenv(variable, "many")
    with pytest.raises(UsageError, match=variable):
        StreamBuilder("test", TRN2)


def edges(function: Any) -> tuple[tuple[int, int], ...]:
    builder = StreamBuilder("test", TRN2)
    with tracing(builder):
        function()
        return builder.finish([]).extra


def fill(name: str | None = None) -> Any:
    return nisa.memset(nl.ndarray((128, 4), nl.float32), 1.0, name=name)


def test_depends_on_adds_edges_and_returns_the_consumer():
    def run() -> None:
        first, second, third = fill(), fill(), fill()
        assert third.depends_on(first).depends_on(second) is third

    assert edges(run) == ((2, 0), (2, 1))


def test_an_edge_needs_an_earlier_instruction_of_this_kernel():
    def later() -> None:
        first, second = fill(), fill()
        first.depends_on(second)

    stranger: list[Any] = []
    traced(lambda: stranger.append(fill()))
    refused(later, "issued later")
    refused(lambda: fill().depends_on(stranger[0]), "kernel being traced")
    refused(lambda: fill().depends_on(None), "kernel being traced")


def test_an_edge_does_not_leave_a_device_loop():
    def out() -> None:
        for _ in dynamic_range(1):
            inner = fill()
        fill().depends_on(inner)

    def between() -> None:
        for _ in dynamic_range(1):
            inner = fill()
        for _ in dynamic_range(1):
            fill().depends_on(inner)

    def into() -> None:
        outer = fill()
        for _ in dynamic_range(1):
            fill().depends_on(outer)

    refused(out, "out of a dynamic loop")
    refused(between, "out of a dynamic loop")
    assert edges(into) == ((1, 0),)


def test_a_dynamic_loop_inside_no_reorder():
    def run() -> None:
        with current().no_reorder():
            list(dynamic_range(2))

    refused(run, "no_reorder")
