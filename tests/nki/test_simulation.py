"""`nki.simulate` and `nki.jit`: what goes in, what comes out, what a debugger sees."""

from __future__ import annotations

import dataclasses
from collections import namedtuple
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import torch

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.dtypes import dtype
from glia.core.errors import FormatError, KernelError
from glia.isa.serial import save_stream
from glia.isa.target import target_of
from glia.nki.kernel import TensorSpec
from glia.nki.simulation import execute
from glia.silicon.execution.core import Core

X = np.random.default_rng(3).standard_normal((128, 32)).astype(np.float32)
TRN2 = target_of("trn2")


def run(kernel: Any, *args: Any, **kwargs: Any) -> Any:
    return nki.simulate(kernel, target="trn2")(*args, **kwargs)


def doubled(x: Any) -> Any:
    out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
    tile = nl.load(x)
    nisa.tensor_scalar(tile, tile, nl.multiply, 2.0)
    nisa.dma_copy(out, tile)
    return out


# -- what goes in ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda a: np.asfortranarray(a),
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        lambda a: a[::-1][::-1].copy()[:, ::-1][:, ::-1],
        lambda a: a.astype(">f4"),
        lambda a: np.pad(a, 3)[3:-3, 3:-3],
    ],
)
def test_strided_inputs(make: Any):
    given = make(X)
    before = given.copy()
    assert np.array_equal(run(doubled, given), 2 * X)
    assert np.array_equal(given, before)


def test_broadcast_and_read_only_inputs():
    wide = np.broadcast_to(X[:, :1], X.shape)
    assert np.array_equal(run(doubled, wide), 2 * wide)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16, torch.int32])
def test_torch_in_torch_out(kind: Any):
    given = torch.from_numpy(X * 8).to(kind)
    got = run(doubled, given.T.contiguous().T)
    assert isinstance(got, torch.Tensor) and got.dtype is kind
    assert torch.equal(got, given * 2)


def test_numpy_in_numpy_out_in_formats_that_numpy_lacks():
    got = run(doubled, X.astype(ml_dtypes.bfloat16))
    assert isinstance(got, np.ndarray) and got.dtype == ml_dtypes.bfloat16


@dataclasses.dataclass
class Config:
    weight: Any
    factor: float = 1.0


class Public(nki.NKIObject):
    def __init__(self, bias: Any) -> None:
        self.bias = bias


Pair = namedtuple("Pair", ["left", "right"])


def test_arrays_inside_containers_and_objects():
    def kernel(pair: Any, table: Any, config: Config, public: Any, *rest: Any, last: Any) -> Any:
        out = nl.ndarray(X.shape, nl.float32, nl.shared_hbm)
        total = nl.load(pair.left)
        for part in (
            pair.right, table["a"][0], table["b"], config.weight, public.bias, rest[0], last
        ):  # fmt: skip
            nisa.tensor_tensor(total, total, nl.load(part), nl.add)
        nisa.tensor_scalar(total, total, nl.multiply, config.factor)
        nisa.dma_copy(out, total)
        return out

    parts = [np.full_like(X, 10.0**i) for i in range(8)]
    config = Config(parts[4], 2.0)
    got = run(
        kernel, Pair(parts[0], parts[1]), {"a": [parts[2]], "b": parts[3]}, config,
        Public(parts[5]), parts[6], last=parts[7],
    )  # fmt: skip
    assert np.allclose(got, 2 * sum(parts))
    assert config.weight is parts[4]  # the caller's object is as it was


def test_an_object_dtype_is_refused_by_the_argument():
    with pytest.raises(KernelError, match="argument x"):
        run(doubled, np.array([[object()]]))


def test_wrong_arguments():
    with pytest.raises(KernelError, match=r"calling kernel doubled: .*expected doubled\(x"):
        run(doubled)
    with pytest.raises(KernelError, match="unexpected keyword"):
        run(doubled, X, y=1)


# -- in place ----------------------------------------------------------------------------------


def in_place(x: Any, y: Any) -> Any:
    tile = nl.load(x)
    nisa.tensor_scalar(tile, tile, nl.add, 1.0)
    nisa.dma_copy(x, tile)
    return x


@pytest.mark.parametrize("strided", [False, True])
def test_a_written_numpy_argument_is_updated(strided: bool):
    base = np.pad(X, 2)
    given = base[2:-2, 2:-2] if strided else X.copy()
    got = run(in_place, given, np.zeros_like(X))
    assert got is given and np.array_equal(given, X + 1)
    assert base[0, 0] == 0


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_a_written_torch_argument_is_updated(kind: Any):
    given = torch.from_numpy(X.copy()).to(kind)
    expected = (given.float() + 1).to(kind)
    strided = torch.zeros(32, 128, dtype=kind).T
    strided.copy_(given)
    for one in (given, strided):
        assert run(in_place, one, X) is one
        assert torch.equal(one, expected)


def test_writing_what_cannot_be_written():
    given = X.copy()
    given.flags.writeable = False
    with pytest.raises(KernelError, match="read-only"):
        run(in_place, given, X)
    shared = X.copy()
    with pytest.raises(KernelError, match="another argument shares"):
        run(in_place, shared, shared)


def test_a_shared_constant_is_not_writable():
    def kernel(x: Any) -> None:
        nisa.dma_copy(nl.shared_constant(X), x)

    with pytest.raises(KernelError, match="a constant of the program"):
        run(kernel, X)


# -- what comes out ----------------------------------------------------------------------------


def test_results_keep_their_structure():
    def kernel(x: Any) -> Any:
        one = doubled(x)
        return {"a": one, "b": [one, None], "c": (doubled(one).reshape((64, 64)), x)}

    got = run(kernel, X)
    assert np.array_equal(got["a"], 2 * X) and np.array_equal(got["b"][0], 2 * X)
    assert got["b"][1] is None
    assert np.array_equal(got["c"][0], (4 * X).reshape(64, 64)) and got["c"][1] is X


def test_a_kernel_may_return_nothing():
    assert run(lambda x: None, X) is None


def test_other_results_are_refused_at_the_kernels_line():
    def kernel(x: Any) -> Any:
        return 3

    line = kernel.__code__.co_firstlineno
    with pytest.raises(KernelError, match=f"test_simulation.py:{line}: kernel kernel returned int"):
        run(kernel, X)


def test_elements_never_stored_are_refused():
    def kernel(x: Any) -> Any:
        out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        nisa.dma_copy(out[0:100], x[0:100])
        return out

    with pytest.raises(KernelError, match="elements never written"):
        run(kernel, X)


# -- jit ---------------------------------------------------------------------------------------


def test_all_forms_of_jit():
    forms = [nki.jit(doubled), nki.jit()(doubled), nki.jit(mode="trace")(doubled)]
    forms.append(nki.jit(doubled, debug_kernel=True, experimental_flags="x"))
    forms.append(nki.jit(nki.jit(doubled)))
    for kernel in forms:
        assert isinstance(kernel, nki.Kernel) and kernel.__name__ == "doubled"
        assert np.array_equal(run(kernel, X), 2 * X)


def test_options_of_jit_that_do_not_exist():
    with pytest.raises(KernelError, match="did you mean 'platform_target'"):
        nki.jit(doubled, platform_targt="trn2")
    with pytest.raises(KernelError, match="glia nki profile"):
        nki.jit(mode="benchmark")
    with pytest.raises(KernelError, match=r"nki\.jit mode"):
        nki.jit(mode="fast")
    with pytest.raises(KernelError, match="expected a function"):
        nki.jit(3)


def chip(x: Any) -> Any:
    raise RuntimeError(nisa.get_nc_version().name)


def test_the_target_is_the_argument_then_the_environment_then_the_kernels(monkeypatch):
    monkeypatch.delenv("NEURON_PLATFORM_TARGET_OVERRIDE", raising=False)
    kernel = nki.jit(chip, platform_target="trn1")
    with pytest.raises(KernelError, match="RuntimeError: gen3"):
        nki.simulate(kernel, target="trn2")(X)
    with pytest.raises(KernelError, match="RuntimeError: gen2"):
        nki.simulate(kernel)(X)


def test_kernels_inside_kernels_are_inlined():
    inner = nki.jit(doubled)

    def kernel(x: Any) -> Any:
        return inner(inner(x))

    assert np.array_equal(run(kernel, X), 4 * X)


def test_a_launch_inside_a_kernel_is_refused():
    with pytest.raises(KernelError, match="another kernel being traced"):
        run(lambda x: nki.simulate(doubled)(X), X)


def test_a_call_without_hardware_is_a_simulation(monkeypatch):
    monkeypatch.setenv("NEURON_PLATFORM_TARGET_OVERRIDE", "trn2")
    assert np.array_equal(nki.jit(doubled)(X), 2 * X)


def test_a_schedule_becomes_edges():
    def kernel(x: Any) -> Any:
        tile = nl.load(x)
        a, b = nl.ndarray(x.shape, x.dtype), nl.ndarray(x.shape, x.dtype)
        nisa.reciprocal(a, tile, name="recip")
        nisa.tensor_scalar(b, tile, nl.add, 1.0, name="plus1")

    jitted = nki.jit(kernel)
    spec = TensorSpec(X.shape, dtype("float32"))
    (edge,) = jitted.with_schedule([("plus1", ["recip"])]).trace(spec, target=TRN2).extra
    stream = jitted.with_schedule([("plus1", "recip")]).trace(spec, target=TRN2)
    assert stream.extra == (edge,)
    assert [stream.instructions[i].op for i in edge] == ["tensor_scalar", "reciprocal"]
    with pytest.raises(KernelError, match="did you mean 'recip'"):
        jitted.with_schedule([("plus1", "recp")]).trace(spec, target=TRN2)
    with pytest.raises(KernelError, match="issued later"):
        jitted.with_schedule([("recip", "plus1")]).trace(spec, target=TRN2)
    with pytest.raises(KernelError, match="with_schedule"):
        jitted.with_schedule([("plus1",)])


# -- errors and debugging ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [TypeError, IndexError, AssertionError, ZeroDivisionError])
def test_ordinary_errors_carry_the_kernels_line(kind: type[Exception]):
    def kernel(x: Any) -> Any:
        raise kind("of the kernel")

    line = kernel.__code__.co_firstlineno + 1
    match = f"test_simulation.py:{line}: {kind.__name__}: of the kernel"
    with pytest.raises(KernelError, match=match) as caught:
        run(kernel, X)
    assert isinstance(caught.value, kind)
    assert type(caught.value.__cause__) is kind


def test_overlapping_source_and_destination():
    def shifted(x: Any) -> Any:
        tile = nl.load(x)
        nisa.tensor_copy(tile[:, 1:], tile[:, :-1])

    with pytest.raises(KernelError, match="overlap without being equal"):
        run(shifted, X)


def test_equal_and_interleaved_views_are_no_overlap():
    def kernel(x: Any) -> Any:
        out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
        tile = nl.load(x)
        nisa.tensor_scalar(tile[:, 0:8], tile[:, 0:8], nl.add, 1.0)
        nisa.tensor_copy(tile[:, 0::2], tile[:, 1::2])
        nisa.dma_copy(out, tile)
        return out

    expected = X.copy()
    expected[:, 0:8] += 1
    expected[:, 0::2] = expected[:, 1::2]
    assert np.array_equal(run(kernel, X), expected)


def test_printing_shows_values_as_they_are_then(capsys):
    def kernel(x: Any) -> Any:
        tile = nl.ndarray((2, 2), nl.float32)
        print(tile)
        nisa.memset(tile, 7.0)
        print(tile)
        nisa.tensor_scalar(tile, tile, nl.add, 1.0)
        print(f"{tile}", repr(tile))
        return doubled(x)

    assert np.array_equal(run(kernel, X), 2 * X)
    shown = capsys.readouterr().out
    assert "never written" in shown and "[[7. 7.]" in shown and "[[8. 8.]" in shown
    assert shown.count("[[8. 8.]") == 1  # repr stays short


def test_printing_does_not_make_control_flow_depend_on_data():
    def kernel(x: Any) -> Any:
        str(nl.load(x))
        return doubled(x)

    simulation = nki.simulate(kernel, target="trn2").run(X)
    assert simulation.streams[0].data_dependent == ""


def counted(n: Any) -> Any:
    out = nl.ndarray((1, 1), nl.int32, nl.shared_hbm)
    tile, total = nl.load(n), nl.zeros((1, 1), nl.int32)
    reg = nisa.register_alloc()
    nisa.register_load(reg, tile)
    while reg:
        nisa.tensor_scalar(total, total, nl.add, 5.0)
        nisa.tensor_scalar(tile, tile, nl.subtract, 1.0)
        nisa.register_load(reg, tile)
    nisa.dma_copy(out, total)
    return out


@pytest.mark.parametrize("count", [0, 1, 6])
def test_loops_that_depend_on_data(count: int):
    assert run(counted, np.array([[count]], np.int32)).item() == 5 * count


def test_a_stream_of_one_data_set_is_for_no_other():
    given = np.array([[2]], np.int32)
    (stream,) = nki.simulate(counted, target="trn2").run(given).streams
    assert "test_simulation.py" in stream.data_dependent
    with pytest.raises(KernelError, match="right for any"):
        execute(stream, [given], Core(TRN2))
    with pytest.raises(FormatError, match="right for any"):
        save_stream(stream)
    with pytest.raises(KernelError, match="without data"):
        nki.jit(counted).trace(TensorSpec((1, 1), dtype("int32")), target=TRN2)


def test_precision_cannot_be_switched_off(monkeypatch):
    monkeypatch.setenv("NKI_PRECISE_FP", "0")
    with pytest.warns(UserWarning, match="no effect"):
        nki.simulate(doubled)


def test_two_runs_are_the_same_and_leave_nothing_behind():
    first = nki.simulate(doubled, target="trn2")
    assert np.array_equal(first(X), first(X))
