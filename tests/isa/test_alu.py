"""ALU operators: left-to-right folds, magnitudes, truth, and what a chip lacks."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import glia.nki.language as nl
from glia.core.errors import KernelError
from glia.isa.launch.builder import StreamBuilder, tracing
from glia.isa.operators.alu import ALU, alu, reduction, sequential
from glia.isa.target import target_of

shapes = st.tuples(st.integers(1, 5), st.integers(1, 200))


@given(shape=shapes, seed=st.integers(0, 99), started=st.booleans())
def test_sums_run_from_left_to_right(shape: tuple[int, int], seed: int, started: bool):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape).astype(np.float32)
    start = rng.standard_normal(shape[0]).astype(np.float32) if started else None
    for row, got in enumerate(sequential(np.add, x, start)):
        total = x[row, 0] if start is None else start[row] + x[row, 0]
        for value in x[row, 1:]:
            total = np.float32(total + value)
        assert got == total


PYTHON = {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "maximum": max,
    "minimum": min,
    "logical_and": lambda x, y: np.float32(bool(x) and bool(y)),
    "logical_or": lambda x, y: np.float32(bool(x) or bool(y)),
    "logical_xor": lambda x, y: np.float32(bool(x) != bool(y)),
    "abs_max": lambda x, y: x if abs(x) > abs(y) else y,
    "abs_min": lambda x, y: x if abs(x) < abs(y) else y,
}


@pytest.mark.parametrize("name", sorted(PYTHON))
@given(seed=st.integers(0, 99), dims=st.tuples(st.integers(1, 3), st.integers(2, 6)))
def test_reductions_fold_their_operator(name: str, seed: int, dims: tuple[int, int]):
    x = np.random.default_rng(seed).integers(-3, 4, (4, *dims)).astype(np.float32)
    got = ALU[name].reduce(x, axis=(1, 2))  # type: ignore[misc]
    assert got.tolist() == [reduce(PYTHON[name], row.reshape(-1)) for row in x]


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=1))
def test_operators_agree_with_python(pairs: list[tuple[float, float]]):
    x, y = np.float32(pairs).T
    for name, function in PYTHON.items():
        got = ALU[name].apply(x, y)
        assert np.array_equal(got, [np.float32(function(a, b)) for a, b in zip(x, y, strict=True)])


def test_power_is_rounded_once_and_takes_negative_integers():
    x = np.linspace(0.1, 5, 999, dtype=np.float32)
    assert np.array_equal(
        ALU["power"].apply(x, np.float32(2.5)), (x.astype(np.float64) ** 2.5).astype(np.float32)
    )
    assert ALU["power"].apply(np.int32([2, -3]), np.int32([-1, 3])).tolist() == [0.5, -27]


def test_right_shift_brings_in_zeros():
    assert ALU["right_shift"].apply(np.int32([-1]), 28).tolist() == [15]


def test_every_reduction_of_the_public_table():
    assert {n for n, op in ALU.items() if op.reduce} == {*PYTHON} | {
        "bitwise_and", "bitwise_or", "bitwise_xor",
    }  # fmt: skip


@pytest.mark.parametrize("chip", ["trn1", "trn2", "trn3"])
def test_magnitude_operators_by_chip(chip: str):
    with tracing(StreamBuilder("k", target_of(chip))):
        if target_of(chip).can.alu_abs_extrema:
            assert alu(nl.abs_max, "x").name == "abs_max"
        else:
            with pytest.raises(KernelError, match=f"an operator that {chip} has"):
                alu(nl.abs_max, "x")


@pytest.mark.parametrize("token", [nl.equal, nl.power, nl.left_shift, nl.average, nl.exp, 3])
def test_not_a_reduction(token: object):
    with pytest.raises(KernelError, match=r"expected one of|expected an ALU operator"):
        reduction(token, "x")
