"""Kernels that only move data: exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glia.core.dtypes import dtype as find
from glia.isa.target import target_of
from glia.kernels.copy import concatenate, copy
from glia.kernels.transpose import transpose
from glia.nki.kernel import TensorSpec
from glia.silicon.execution.core import Core, Hbm
from kernels.helpers_kernels import NUMPY, both_generations, random, run


@both_generations
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 129, 385), (1, 7, 4500), (1, 1100, 127)])
def test_transpose(shape: tuple[int, int, int], dtype: str, target: str) -> None:
    x = random(shape, dtype)
    np.testing.assert_array_equal(run(transpose, x, target=target), x.swapaxes(1, 2))


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 2), st.integers(1, 300), st.integers(1, 300))
def test_transpose_of_any_shape(batch: int, rows: int, columns: int) -> None:
    x = np.arange(batch * rows * columns, dtype=np.int32).reshape(batch, rows, columns)
    np.testing.assert_array_equal(run(transpose, x), x.swapaxes(1, 2))


def test_copy_of_a_strided_view() -> None:
    """Strides belong to the traced stream, so the kernel is traced and run by hand."""
    base = np.arange(4 * 5 * 6, dtype=np.float32).reshape(4, 5, 6)
    view = base.transpose(1, 0, 2)[::2, :, 1:4]
    strides = tuple(s // 4 for s in view.strides)
    target = target_of("trn2")
    stream = copy.trace(TensorSpec(view.shape, find("float32"), strides), target=target)
    out = np.zeros(view.shape, np.float32)
    source = Hbm(Hbm.of(base).memory, view.__array_interface__["data"][0] - base.ctypes.data)
    places = {stream.inputs[0].index: source, stream.outputs[0].index: Hbm.of(out)}
    Core(target).run(stream, places)
    np.testing.assert_array_equal(out, view)


@both_generations
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_concatenate(dtype: str, target: str) -> None:
    parts = [random((3, n, 5), dtype, n) for n in (1, 7, 130)]
    got = run(concatenate(3), *parts, target=target)
    np.testing.assert_array_equal(got, np.concatenate(parts, axis=1))
    assert got.dtype == NUMPY[dtype]
    assert concatenate(3) is concatenate(3)
