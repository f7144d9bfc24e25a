"""Allocation, constants, and tiles in and out of memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from tests.nki.tiles import inside, on_tiles, uniform

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import KernelError

ONE = np.zeros((1, 1), np.float32)
KINDS = {
    "int8": np.int8, "int16": np.int16, "int32": np.int32,
    "uint8": np.uint8, "uint16": np.uint16, "uint32": np.uint32,
    "float16": np.float16, "bfloat16": ml_dtypes.bfloat16, "float32": np.float32,
    "float8_e4m3": ml_dtypes.float8_e4m3, "float8_e5m2": ml_dtypes.float8_e5m2,
}  # fmt: skip


def run(function: Any, *arrays: np.ndarray, target: str = "trn2") -> Any:
    return nki.simulate(nki.jit(function), target=target)(*arrays)


@pytest.mark.parametrize("kind", KINDS)
def test_filled_memory_of_every_dtype(kind: str):
    found = on_tiles(
        lambda _: tuple(
            make((8, 6), getattr(nl, kind))
            for make in (nl.zeros, nl.ones, lambda s, d: nl.full(s, 3, d))
        ),
        ONE,
    )
    for array, value in zip(found, (0, 1, 3), strict=True):
        assert array.dtype == KINDS[kind]
        assert np.all(array.astype(np.float32) == value)


@pytest.mark.parametrize("shape", [(5,), (300, 7), (3, 130, 4)])
def test_filled_hbm_of_any_shape(shape: tuple[int, ...]):
    def kernel():
        return nl.full(shape, 2.5, nl.float32, buffer=nl.shared_hbm)

    np.testing.assert_array_equal(run(kernel), np.full(shape, 2.5, np.float32))


def test_like_another_tensor():
    def kernel(x):
        same, zeros = nl.empty_like(x), nl.zeros_like(x, dtype=nl.int32)
        tile = nl.empty_like(x, buffer=nl.sbuf)
        assert (same.shape, same.dtype, same.buffer) == (x.shape, x.dtype, x.buffer)
        assert (zeros.dtype, zeros.buffer, tile.buffer) == (nl.int32, x.buffer, nl.sbuf)
        return zeros

    assert not run(kernel, uniform(1, 2)).any()


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        ("sbuf", (False, True, False, True)),
        ("psum", (False, False, True, True)),
        ("private_hbm", (True, False, False, False)),
        ("shared_hbm", (True, False, False, False)),
    ],
)
def test_regions(region: str, expected: tuple[bool, ...]):
    value = getattr(nl, region)
    tests = (nl.is_hbm, nl.is_sbuf, nl.is_psum, nl.is_on_chip)
    assert tuple(test(value) for test in tests) == expected
    assert value is nl.MemoryRegion[region]
    assert inside(lambda: nl.ndarray((4, 4), nl.float32, value).buffer) is value


def test_hbm_is_private():
    assert nl.hbm is nl.private_hbm


@pytest.mark.parametrize("dtype", [np.float32, "float32", nl.float32, np.dtype("f4")])
def test_a_dtype_by_any_name(dtype: Any):
    assert inside(lambda: nl.ndarray((4, 4), dtype).dtype) == nl.float32


@pytest.mark.parametrize("dtype", ["float33", "float64", np.int64, None, 3])
def test_a_dtype_that_the_chip_lacks(dtype: Any):
    with pytest.raises(KernelError, match=r"nl\.ndarray: got dtype .* expected one of nl\.bool_"):
        inside(lambda: nl.ndarray((4, 4), dtype))


@pytest.mark.parametrize("buffer", ["dram", None, 3])
def test_an_unknown_buffer(buffer: Any):
    with pytest.raises(KernelError, match=r"got buffer .* expected one of nl\.sbuf, nl\.psum"):
        inside(lambda: nl.ndarray((4, 4), nl.float32, buffer))


@pytest.mark.parametrize("shape", [4, (4, 2.5), "44"])
def test_a_shape_that_is_none(shape: Any):
    with pytest.raises(KernelError, match=r"nl\.ndarray: got shape .* expected a tuple of int"):
        inside(lambda: nl.ndarray(shape, nl.float32))


def test_allocation_outside_a_kernel():
    with pytest.raises(KernelError, match="outside a kernel"):
        nl.ndarray((4, 4), nl.float32)


@pytest.mark.parametrize("as_file", [False, True])
def test_shared_constant(tmp_path: Path, as_file: bool):
    values = uniform(-1, 1)
    path = tmp_path / "values.npy"
    np.save(path, values)

    def kernel():
        constant = nl.shared_constant(str(path) if as_file else values)
        assert constant.buffer is nl.shared_hbm
        out = nl.ndarray(values.shape, nl.float32, buffer=nl.shared_hbm)
        nl.store(out, nl.load(constant))
        return out

    np.testing.assert_array_equal(run(kernel), values)


@pytest.mark.parametrize("name", ["absent.npy", "text.npy"])
def test_a_constant_that_cannot_be_read(tmp_path: Path, name: str):
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(KernelError, match=r"nl\.shared_constant: got .*npy', expected an array"):
        inside(lambda: nl.shared_constant(tmp_path / name))


def test_a_constant_of_a_dtype_that_the_chip_lacks():
    with pytest.raises(KernelError, match=r"nl\.shared_constant: got dtype .*float64"):
        inside(lambda: nl.shared_constant(np.zeros((4, 4))))


def test_identity():
    def make(_: Any) -> Any:
        mine = nl.ndarray((5, 5), nl.bfloat16)
        given = nl.shared_identity_matrix(5, dst=mine)
        assert given is mine
        return nl.shared_identity_matrix(5), nl.shared_identity_matrix(128, nl.float32), given

    bits, wide, given = on_tiles(make, ONE)
    assert (bits.dtype, given.dtype) == (np.uint8, ml_dtypes.bfloat16)
    np.testing.assert_array_equal(bits, np.eye(5))
    np.testing.assert_array_equal(wide, np.eye(128))
    np.testing.assert_array_equal(given.astype(np.float32), np.eye(5))


def test_identities_of_one_kernel_share_their_constant():
    def count() -> int:
        builder_storages = nl.shared_constant(np.zeros((1, 1), np.float32)).storage.index
        for _ in range(3):
            nl.shared_identity_matrix(16, nl.float32)
        return nl.shared_constant(np.zeros((1, 1), np.float32)).storage.index - builder_storages

    assert inside(count) == 1 + 3 + 1  # the constant, three tiles, the counting constant itself


@pytest.mark.parametrize("n", [0, 129])
def test_an_identity_of_too_many_rows(n: int):
    with pytest.raises(KernelError, match=f"got n {n}, expected 1 to 128"):
        inside(lambda: nl.shared_identity_matrix(n))


def test_an_identity_into_a_tile_of_another_shape():
    with pytest.raises(KernelError, match=r"dst: got shape \(4, 5\), expected \(4, 4\)"):
        inside(lambda: nl.shared_identity_matrix(4, dst=nl.ndarray((4, 5), nl.float32)))


def test_load_converts_and_store_converts_back():
    def kernel(x):
        out = nl.ndarray(x.shape, nl.bfloat16, buffer=nl.shared_hbm)
        tile = nl.load(x, dtype=nl.float16)
        assert tile.dtype == nl.float16
        nl.store(out, tile)
        return out

    x = uniform(-4, 4)
    np.testing.assert_array_equal(run(kernel, x), x.astype(np.float16).astype(ml_dtypes.bfloat16))


def test_a_row_of_hbm_is_one_partition():
    def kernel(x):
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        for i in range(x.shape[0]):
            row = nl.load(x[i])
            assert row.shape == (1, x.shape[1])
            nl.store(out[i], row)
        return out

    x = uniform(-4, 4)[:5]
    np.testing.assert_array_equal(run(kernel, x), x)


def test_load_of_a_tile_and_store_of_psum_are_refused():
    with pytest.raises(KernelError, match=r"nl\.load src: got .* expected a tensor in HBM"):
        inside(lambda: nl.load(nl.zeros((4, 4), nl.float32)))

    def from_psum() -> None:
        made = nl.zeros((4, 4), nl.float32, buffer=nl.psum)
        nl.store(nl.ndarray((4, 4), nl.float32, buffer=nl.shared_hbm), made)

    with pytest.raises(KernelError, match=r"nl\.store value: got .* expected a tile in SBUF"):
        inside(from_psum)


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16, np.int8])
def test_load_transposed(dtype: Any):
    def kernel(x):
        out = nl.ndarray((x.shape[1], x.shape[0]), x.dtype, buffer=nl.shared_hbm)
        nl.store(out, nl.load_transpose2d(x))
        return out

    x = (uniform(-4, 4, shape=(300, 20)) * 20).astype(dtype)
    np.testing.assert_array_equal(run(kernel, x), x.T)


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_transpose_gives_psum(dtype: Any):
    def make(t: Any) -> Any:
        plain, other = nl.transpose(t), nl.transpose(t, dtype=nl.float16)
        assert (plain.buffer, plain.dtype) == (nl.psum, t.dtype)
        assert (other.buffer, other.dtype) == (nl.sbuf, nl.float16)
        return nl.copy(plain), other

    x = uniform(-4, 4).astype(dtype)
    plain, other = on_tiles(make, x)
    np.testing.assert_array_equal(plain, x.T)
    np.testing.assert_array_equal(other, x.T.astype(np.float16))


@pytest.mark.parametrize("transpose_x", [False, True])
def test_matmul(transpose_x: bool):
    x, y = uniform(-1, 1, 1, (96, 48)), uniform(-1, 1, 2, (48, 200))
    given = np.ascontiguousarray(x.T) if transpose_x else x
    found = on_tiles(lambda a, b: nl.copy(nl.matmul(a, b, transpose_x)), given, y)
    np.testing.assert_allclose(found, x.astype(np.float64) @ y, rtol=0, atol=2e-5)


def test_copy_brings_psum_to_sbuf():
    def make(t: Any) -> Any:
        on_psum = nl.ndarray(t.shape, t.dtype, buffer=nl.psum)
        nisa.tensor_copy(on_psum, t)
        made = nl.copy(on_psum, dtype=nl.bfloat16)
        assert made.buffer == nl.sbuf
        return made

    x = uniform(-4, 4)
    np.testing.assert_array_equal(on_tiles(make, x), x.astype(ml_dtypes.bfloat16))


@pytest.mark.parametrize("kind", ["float32", "bfloat16", "float8_e5m2", "int32", "uint8"])
@pytest.mark.parametrize(
    ("shape", "target"),
    [((32, 1), (32, 9)), ((8, 1, 5), (8, 3, 5)), ((1, 20), (128, 20)), ((1, 1), (77, 6)),
     ((1, 700), (40, 700)), ((1, 1, 6), (9, 4, 6)), ((4, 5), (4, 5))],
)  # fmt: skip
def test_broadcast(shape: tuple[int, ...], target: tuple[int, ...], kind: str):
    x = (uniform(0, 4, shape=shape) * 50).astype(KINDS[kind])
    found = on_tiles(lambda t: nl.copy(nl.broadcast_to(t, target)), x)
    np.testing.assert_array_equal(found, np.broadcast_to(x, target))


@pytest.mark.parametrize("kind", ["float32", "int32"])
def test_broadcast_of_a_row_anywhere(kind: str):
    x = (uniform(-4, 4) * 50).astype(KINDS[kind])
    found = on_tiles(lambda t: nl.broadcast_to(t[5:6, 3:40:2], (64, 19)), x)
    np.testing.assert_array_equal(found, np.broadcast_to(x[5:6, 3:40:2], (64, 19)))


def test_broadcast_of_the_same_shape_is_the_tile_itself():
    def make(t: Any) -> Any:
        assert nl.broadcast_to(t, t.shape) is t
        return nl.broadcast_to(t, t.shape, dtype=nl.float16)

    x = uniform(-4, 4)
    np.testing.assert_array_equal(on_tiles(make, x), x.astype(np.float16))


@pytest.mark.parametrize("target", [(32, 49), (32,), (1, 32, 48), (64, 48)])
def test_a_broadcast_that_does_not_fit(target: tuple[int, ...]):
    with pytest.raises(KernelError, match=r"nl\.broadcast_to of .* expected 2 dims"):
        on_tiles(lambda t: nl.broadcast_to(t, target), uniform(-4, 4))


@pytest.mark.parametrize(("axis", "shape"), [(1, (32, 1, 48)), (2, (32, 48, 1)), (-1, (32, 48, 1))])
def test_expand_dims(axis: int, shape: tuple[int, ...]):
    x = uniform(-4, 4)
    np.testing.assert_array_equal(on_tiles(lambda t: nl.expand_dims(t, axis), x), x.reshape(shape))


def test_expand_dims_before_the_partitions():
    with pytest.raises(KernelError, match="partition dim stays first"):
        on_tiles(lambda t: nl.expand_dims(t, 0), uniform(-4, 4))


@pytest.mark.parametrize("dtype", [None, nl.bfloat16])
def test_gather_flattened(dtype: Any):
    rng = np.random.default_rng(3)
    data, places = uniform(-4, 4), rng.integers(0, 48, (32, 30)).astype(np.uint32)
    found = on_tiles(lambda d, i: nl.gather_flattened(d, i, dtype=dtype), data, places)
    expected = np.take_along_axis(data, places, axis=1)
    np.testing.assert_array_equal(found, expected.astype(found.dtype))
    assert found.dtype == (ml_dtypes.bfloat16 if dtype else np.float32)


def test_gather_flattened_along_another_axis():
    def make(d: Any, i: Any) -> Any:
        return nl.gather_flattened(d, i, axis=1)

    with pytest.raises(KernelError, match="got axis 1, expected 0"):
        on_tiles(make, uniform(-4, 4), np.zeros((32, 4), np.uint32))
