"""Limits of the target, the place of a program, loops, order and printing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.nki.tiles import inside, on_tiles, uniform

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import KernelError, UsageError
from glia.nki.target import current_target

# aws-neuron-sdk nki/api/nki.language.tile_size.rst; SBUF: what the compiler hands out.
SIZES = {
    "pmax": 128, "psum_fmax": 512, "psum_bank_fmax": 512, "psum_bank_fmax_bytes": 2048,
    "psum_num_banks": 8, "gemm_stationary_fmax": 128, "gemm_moving_fmax": 512,
    "bn_stats_fmax": 512,
}  # fmt: skip


@pytest.mark.parametrize("name", SIZES)
def test_tile_sizes_in_and_outside_a_kernel(name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NEURON_PLATFORM_TARGET_OVERRIDE", "trn2")
    assert getattr(nl.tile_size, name) == SIZES[name]
    assert inside(lambda: getattr(nl.tile_size, name)) == SIZES[name]


def test_sbuf_sizes_agree_with_each_other(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NEURON_PLATFORM_TARGET_OVERRIDE", "trn2")
    size = nl.tile_size
    assert size.sbuf_size_bytes == 128 * size.sbuf_fmax_bytes
    assert size.sbuf_fmax == size.sbuf_fmax_bytes // 4
    assert size.total_available_sbuf_size == size.sbuf_fmax_bytes
    # Neither more than the memory has, nor far less: 192 KiB and 16 KiB for the compiler.
    assert 192 * 1024 <= size.sbuf_fmax_bytes < 224 * 1024


@pytest.mark.parametrize(("value", "banks"), [("true", 7), ("1", 7), ("false", 8), ("", 8)])
def test_dma_transposes_by_the_tensor_engine_take_a_bank(
    value: str, banks: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NEURON_PLATFORM_TARGET_OVERRIDE", "trn2")
    monkeypatch.setenv("NKI_DMA_TRANSPOSE_AS_PE_TRANSPOSE", value)
    assert nl.tile_size.psum_num_banks == banks


@pytest.mark.parametrize(
    ("name", "version"),
    [("trn1", "gen2"), ("inf2", "gen2"), ("gen2", "gen2"), ("trn2", "gen3"), ("gen3", "gen3"),
     ("trn3", "gen4"), ("gen4", "gen4")],
)  # fmt: skip
def test_the_environment_names_the_target(name: str, version: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NEURON_PLATFORM_TARGET_OVERRIDE", name)
    assert nisa.get_nc_version() is nisa.nc_version[version]
    assert nisa.get_nc_sub_version() == 0


def test_the_kernels_target_is_stronger_than_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NEURON_PLATFORM_TARGET_OVERRIDE", "trn3")
    assert inside(nisa.get_nc_version, target="trn1") is nisa.nc_version.gen2


def test_without_a_word_the_target_is_the_public_simulators(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("NEURON_PLATFORM_TARGET_OVERRIDE", raising=False)
    monkeypatch.delenv("NKI_NC_VERSION", raising=False)
    assert current_target().chip == "trn3"


def test_an_unknown_target(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NEURON_PLATFORM_TARGET_OVERRIDE", "trn22")
    with pytest.raises(UsageError, match="did you mean 'trn2'"):
        nisa.get_nc_version()


def test_generations_compare():
    version = nisa.nc_version
    assert version.gen2 < version.gen3 < version.gen4
    assert version.gen3 >= 3


def test_one_program_without_a_grid():
    assert inside(lambda: (nl.program_id(0), nl.num_programs(0), nl.program_ndim())) == (0, 1, 0)
    assert inside(lambda: (nl.program_id(), nl.num_programs(), nl.num_programs([0]))) == (0, 1, 1)


@pytest.mark.parametrize("call", [lambda: nl.program_id(1), lambda: nl.num_programs((0, 1))])
def test_the_grid_has_one_axis(call: Any):
    with pytest.raises(KernelError, match="expected 0: the grid has one axis"):
        inside(call)


@pytest.mark.parametrize("loop", [nl.affine_range, nl.sequential_range, nl.static_range, nl.range])
def test_ranges_are_pythons(loop: Any):
    assert list(loop(4)) == [0, 1, 2, 3]
    assert list(loop(2, 9, 3)) == [2, 5, 8]


def test_fori_loop_from_a_register():
    def kernel(x):
        out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
        bound = nisa.register_alloc(x.shape[1])

        def body(i):
            row = nl.ndarray((x.shape[0], 1), x.dtype)
            nisa.dma_copy(row, x.select(1, i).reshape((x.shape[0], 1)))
            nisa.dma_copy(out[:, nl.ds(i, 1)], row)

        nl.fori_loop(0, bound, body)
        return out

    x = uniform(-1, 1, shape=(8, 5))
    np.testing.assert_array_equal(nki.simulate(nki.jit(kernel), target="trn2")(x), x)


def test_experimental_while_loop_is_the_same():
    from glia.nki import experimental

    assert experimental.while_loop is nl.while_loop


def test_no_reorder_is_a_region():
    def make(t: Any) -> Any:
        with nl.no_reorder():
            one = nl.exp(t)
            return one, nl.square(t)

    x = uniform(-1, 1)
    np.testing.assert_array_equal(on_tiles(make, x)[1], x * x)


def test_instructions_depend_on_others():
    def make(t: Any) -> Any:
        a, b = nl.ndarray(t.shape, t.dtype), nl.ndarray(t.shape, t.dtype)
        first = nisa.reciprocal(a, t)
        second = nisa.tensor_scalar(b, t, nl.add, 1.0)
        assert isinstance(first, nisa.NkiInstruction)
        assert second.depends_on(first) is second
        return a, b

    on_tiles(make, uniform(1, 2))


def test_device_print_shows_values(capsys: pytest.CaptureFixture[str]):
    def make(t: Any) -> Any:
        nl.device_print("after load", t)
        return t

    on_tiles(make, np.array([[1.5, -2.0]], np.float32))
    printed = capsys.readouterr().out
    assert printed.startswith("after load ")
    assert "1.5" in printed
    assert "-2" in printed


@pytest.mark.parametrize("arguments", [(1, None), ("x", 3)])
def test_device_print_of_something_else(arguments: Any):
    with pytest.raises(KernelError, match=r"nl\.device_print: got .* a string and a tensor"):
        inside(lambda: nl.device_print(*arguments))
