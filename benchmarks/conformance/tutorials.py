"""Kernels of the documentation and of nki-samples, run as they are, against NumPy in float64.

Each case loads a kernel's file from a checkout, unchanged, gives it inputs, and checks what comes
back. Nothing of the checkouts is copied.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np

import glia.nki as nki
import glia.nki.install  # noqa: F401 - makes `import nki` find glia
from glia.core.errors import KernelError

RNG = np.random.default_rng(2)
BF16 = ml_dtypes.bfloat16
EXAMPLES = "nki/examples"
MXFP = "nki/deep-dives/src/mxfp-matmul"
SAMPLES = "src/nki_samples/tutorials"


@dataclass(frozen=True)
class Case:
    """`checkout` is `docs` (aws-neuron-sdk) or `samples` (nki-samples); `check` raises if wrong."""

    checkout: str
    file: str
    kernel: str
    check: Callable[[ModuleType], None]


CASES: list[Case] = []


def case(checkout: str, file: str, kernel: str) -> Callable[..., Any]:
    """Add `check(module)` to the table."""

    def add(check: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
        CASES.append(Case(checkout, file, kernel, check))
        return check

    return add


@contextmanager
def loaded(path: Path) -> Iterator[ModuleType]:
    """The module at `path`, with its folder importable, and what importing it set put back."""
    before, environment = set(sys.modules), dict(os.environ)
    sys.path.insert(0, str(path.parent))
    try:
        spec = importlib.util.spec_from_file_location(f"public_{path.stem.replace('-', '_')}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path.remove(str(path.parent))
        for name in set(sys.modules) - before:
            if getattr(sys.modules[name], "__file__", "") and str(path.parent) in str(
                sys.modules[name].__file__
            ):
                del sys.modules[name]
        os.environ.clear()
        os.environ.update(environment)


def normal(*shape: int, kind: Any = np.float32) -> np.ndarray:
    """Normal random numbers in a dtype."""
    return RNG.standard_normal(shape).astype(np.float32).astype(kind)


def same(found: Any, expected: np.ndarray, tolerance: float) -> None:
    """Equal shapes, and values within `tolerance` of the largest expected value."""
    got, wide = np.asarray(found).astype(np.float64), expected.astype(np.float64)
    assert got.shape == wide.shape, f"shape {got.shape}, expected {wide.shape}"
    worst = float(np.max(np.abs(got - wide))) / max(float(np.max(np.abs(wide))), 1e-30)
    assert worst <= tolerance, f"off by {worst:.2e} of the largest value, allowed {tolerance:.0e}"


def run(module: ModuleType, kernel: str, *args: Any, target: str = "trn2") -> Any:
    """The kernel's result on the virtual chip."""
    return nki.simulate(getattr(module, kernel), target=target)(*args)


@case("docs", f"{EXAMPLES}/tensor_addition/tensor_addition_nki_kernels.py", "nki_tensor_add")
def tensor_add(module: ModuleType) -> None:
    a, b = normal(256, 1024), normal(256, 1024)
    same(run(module, "nki_tensor_add", a, b, target="trn1"), a + b, 1e-6)


def _matmul(kernel: str, m: int, k: int, n: int) -> Callable[[ModuleType], None]:
    def check(module: ModuleType) -> None:
        left, right = normal(k, m, kind=BF16), normal(k, n, kind=BF16)
        product = left.astype(np.float64).T @ right.astype(np.float64)
        same(run(module, kernel, left, right), product, 8e-3)

    return check


MATMULS = {
    "nki_matmul_basic_": (64, 128, 512),
    "nki_matmul_tiled_": (256, 256, 1024),
    "nki_matmul_hoist_load_": (256, 256, 1024),
    "nki_matmul_block_free_dimension_": (512, 256, 2048),
    "nki_matmul_fully_optimized_": (2048, 1024, 1024),
}
for _root, _name in (("docs", EXAMPLES), ("samples", SAMPLES)):
    for _kernel, _sizes in MATMULS.items():
        _file = f"{_name}/matrix_multiplication/matrix_multiplication_nki_kernels.py"
        case(_root, _file, _kernel)(_matmul(_kernel, *_sizes))


@case("docs", f"{EXAMPLES}/transpose2d/transpose2d_nki_kernels.py", "tensor_transpose2D_kernel_")
def transpose2d(module: ModuleType) -> None:
    x = normal(5, 3 * 4)
    expected = x.reshape(5, 3, 4).transpose(0, 2, 1).reshape(5, 12)
    same(run(module, "tensor_transpose2D_kernel_", x, (3, 4)), expected, 0)


@case("docs", f"{EXAMPLES}/average_pool2d/average_pool2d_nki_kernels.py", "tensor_avgpool_kernel")
def average_pool(module: ModuleType) -> None:
    x = normal(2, 6, 6)
    expected = x.astype(np.float64).reshape(2, 3, 2, 3, 2).mean((2, 4))
    same(run(module, "tensor_avgpool_kernel", x, 2), expected, 1e-6)


def _mamba(kernel: str) -> Callable[[ModuleType], None]:
    def check(module: ModuleType) -> None:
        batch, channels, states, length = 1, 256, 16, 512
        delta, u = normal(batch, channels, length), normal(batch, channels, length)
        a = -np.abs(normal(channels, states))
        delta = np.abs(delta) * 0.1
        b, c = normal(batch, states, length), normal(batch, states, length)
        wide = [t.astype(np.float64) for t in (delta, u, a, b, c)]
        same(run(module, kernel, delta, u, a, b, c), _selective_scan(*wide), 1e-4)

    return check


def _selective_scan(
    delta: np.ndarray, u: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray
) -> np.ndarray:
    """state = exp(delta a) state + delta b u; the result sums c state over the states."""
    state = np.zeros((*delta.shape[:2], a.shape[1]))
    result = np.empty_like(delta)
    for t in range(delta.shape[2]):
        decay = np.exp(delta[:, :, None, t] * a[None])
        state = decay * state + (delta * u)[:, :, None, t] * b[:, None, :, t]
        result[:, :, t] = (state * c[:, None, :, t]).sum(2)
    return result


for _kernel in ("mamba_v1", "mamba_v2", "mamba_v3"):
    case("docs", f"{EXAMPLES}/fused_mamba/mamba_nki_kernels.py", _kernel)(_mamba(_kernel))


@case("docs", f"{EXAMPLES}/simulate/nki_simulate_example.py", "the whole script")
def simulate_example(module: ModuleType) -> None:
    assert np.allclose(module.result, module.a + module.b, rtol=1e-5)


@case("docs", f"{EXAMPLES}/getting_started_baremetal.py", "nki_tensor_add_kernel")
def getting_started(module: ModuleType) -> None:
    a = np.ones((4, 3), np.float16)
    same(module.nki_tensor_add_kernel(a, a), 2 * a, 0)


@case("docs", f"{EXAMPLES}/index-case-1.py", "tensor_split_kernel_")
def split(module: ModuleType) -> None:
    x = normal(4, 5, kind=BF16)
    even, odd = run(module, "tensor_split_kernel_", x)
    same(even, x[:, 0::2], 0)
    same(odd, x[:, 1::2], 0)


@case("docs", f"{EXAMPLES}/index-case-3.py", "tensor_maxpool_kernel_")
def max_pool(module: ModuleType) -> None:
    x = normal(2, 6, 6, kind=BF16)
    expected = x.astype(np.float64).reshape(2, 3, 2, 3, 2).max((2, 4))
    same(run(module, "tensor_maxpool_kernel_", x, 2), expected, 0)


@case("docs", f"{EXAMPLES}/layout-pass.py", "tensor_exp_kernel_")
def layout_pass(module: ModuleType) -> None:
    x = normal(128, 512)
    same(run(module, "tensor_exp_kernel_", x), np.exp(x.astype(np.float64)), 1e-6)


@case("docs", f"{EXAMPLES}/layout-violation.py", "tensor_exp_kernel_ (must be refused)")
def layout_violation(module: ModuleType) -> None:
    try:
        run(module, "tensor_exp_kernel_", normal(256, 512))
    except KernelError as error:
        assert "128" in str(error), f"refused for another reason: {error}"
    else:
        raise AssertionError("256 partitions were accepted")


# -- MX formats ------------------------------------------------------------------------------------

PACKED = {
    "float8_e5m2": ml_dtypes.float8_e5m2,
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "float4_e2m1fn": ml_dtypes.float4_e2m1fn,
}


def _tools() -> ModuleType:
    """The reference functions that lie beside the MX kernels."""
    return importlib.import_module("mx_cpu_utils")


def _packed(kind: str) -> Any:
    import glia.nki.language as nl

    return getattr(nl, f"{kind}_x4")


def _offline(kind: str) -> Callable[[ModuleType], None]:
    def check(module: ModuleType) -> None:
        tools, real = _tools(), PACKED[kind]
        _, _, left, left_scale = tools.generate_stabilized_mx_data(real, (128, 128 * 4))
        _, _, right, right_scale = tools.generate_stabilized_mx_data(real, (128, 512 * 4))
        found = run(
            module, "kernel_offline_quantized_mx_matmul",
            left, left_scale, right, right_scale, _packed(kind), target="trn3",
        )  # fmt: skip
        golden = tools.nc_matmul_mx_golden(left, right, left_scale, right_scale, real, real)
        same(found, golden, 1e-2)

    return check


def _on_device(kind: str, other: str) -> Callable[[ModuleType], None]:
    def check(module: ModuleType) -> None:
        tools, real, moving = _tools(), PACKED[kind], PACKED[other]
        _, _, left, left_scale = tools.generate_stabilized_mx_data(real, (128, 128 * 4))
        data, _, _, _ = tools.generate_stabilized_mx_data(moving, (128, 512 * 4))
        found = run(
            module, "kernel_on_device_quantize_matmul_mx",
            left, left_scale, data.astype(BF16), _packed(kind), _packed(other), target="trn3",
        )  # fmt: skip
        right, right_scale = tools.quantize_mx_golden(data, moving)
        golden = tools.nc_matmul_mx_golden(left, right, left_scale, right_scale, real, moving)
        same(found, golden, 1e-2)

    return check


def _strided(kernel: str, by_copy: bool) -> Callable[[ModuleType], None]:
    def check(module: ModuleType) -> None:
        tools, kind = _tools(), "float8_e5m2"
        left, _, _, _ = tools.generate_stabilized_mx_data(PACKED[kind], (512, 128))
        right, _, _, _ = tools.generate_stabilized_mx_data(PACKED[kind], (512, 512))
        tiles = left.astype(BF16), right.astype(BF16)
        found = run(module, kernel, *tiles, _packed(kind), by_copy, target="trn3")
        same(found, left.astype(np.float64).T @ right.astype(np.float64), 5e-2)

    return check


_STRIDED = "kernel_copy_strided_quantize_matmul_mx"
for _root, _name in (("docs", MXFP), ("samples", f"{SAMPLES}/mxfp-matmul")):
    _file = f"{_name}/mx_kernels.py"
    for _kind in ("float8_e5m2", "float4_e2m1fn"):
        case(_root, _file, f"kernel_offline_quantized_mx_matmul, {_kind}")(_offline(_kind))
        case(_root, _file, f"kernel_on_device_quantize_matmul_mx, {_kind} with float8_e5m2")(
            _on_device(_kind, "float8_e5m2")
        )
    _names = (_STRIDED, f"{_STRIDED}_packed_scale") if _root == "docs" else (_STRIDED,)
    for _kernel in _names:
        for _by, _how in ((True, "tensor_copy"), (False, "DMA")):
            case(_root, _file, f"{_kernel}, by {_how}")(_strided(_kernel, _by))
