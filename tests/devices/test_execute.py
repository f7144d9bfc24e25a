"""The executor: same values every time, inputs checked, and devices that agree."""

from __future__ import annotations

import numpy as np
import pytest

from glia.compiler import Program, compile_graph
from glia.core.dtypes import dtype
from glia.core.errors import UsageError
from glia.devices import find_device
from glia.devices.execute import Executor
from glia.graph.builder import GraphBuilder
from glia.graph.ir import TensorType


@pytest.fixture(scope="module")
def program() -> Program:
    rng = np.random.default_rng(0)
    b = GraphBuilder("lookup")
    ids = b.input("ids", TensorType((5,), dtype("int64")))
    x = b.input("x", TensorType((5, 16), dtype("float32")))
    table = b.constant("table", rng.standard_normal((9, 16)).astype(np.float32))
    rows = b.emit("embedding", table, ids, name="rows")
    total = b.emit("add", rows, x, name="total")
    return compile_graph(
        b.finish([b.emit("softmax", total, axis=-1, name="y")]), "trn2", "fp32"
    ).program


def inputs(seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"ids": rng.integers(0, 9, 5), "x": rng.standard_normal((5, 16)).astype(np.float32)}


def test_runs_repeat_and_leave_nothing_behind(program: Program):
    executor = Executor(program)
    first = executor.run(inputs())["y"].copy()
    executor.run(inputs(2))
    again = executor.run(inputs())["y"]
    assert first.tobytes() == again.tobytes() == Executor(program).run(inputs())["y"].tobytes()


def test_an_observer_changes_nothing(program: Program):
    seen = []
    observed = Executor(program).run(
        inputs(), lambda launch, value, read: seen.append(launch.value)
    )
    assert observed["y"].tobytes() == Executor(program).run(inputs())["y"].tobytes()
    assert seen == [one.value for one in program.launches if one.value]


BAD = {
    "missing": ({"x": np.zeros((5, 16), np.float32)}, r"expected \['ids', 'x'\]"),
    "unknown": ({**inputs(), "z": np.zeros(3)}, "z"),
    "shape": ({**inputs(), "x": np.zeros((5, 17), np.float32)}, r"got shape \(5, 17\)"),
    "scalar": ({**inputs(), "x": np.float32(0)}, r"got shape \(\)"),
    "too large": ({**inputs(), "ids": np.array([0, 1, 2, 3, 2**40])}, "32-bit integers"),
    "float as integer": ({**inputs(), "ids": np.full(5, 1.5)}, "ids"),
    "complex": ({**inputs(), "x": np.zeros((5, 16), np.complex64)}, "complex64"),
    "text": ({**inputs(), "x": np.full((5, 16), "a")}, "x"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_inputs_are_refused(program: Program, case: str):
    given, text = BAD[case]
    with pytest.raises(UsageError, match=text):
        Executor(program).run(given)


def test_a_row_outside_the_table_is_an_error(program: Program):
    from glia.core.errors import KernelError

    with pytest.raises(KernelError, match=r"got row 9, expected 0\.\.8"):
        Executor(program).run({**inputs(), "ids": np.array([0, 1, 2, 3, 9])})


@pytest.mark.parametrize(
    ("name", "text"),
    [("virtual", "expected one, as in virtual:trn2"), ("gpu", "choose one of"),
     ("virtual:h100", "h100"), ("virtual:trn9", "trn"), ("", "choose one of")],
)  # fmt: skip
def test_unknown_devices_are_refused(name: str, text: str):
    from glia.core.errors import GliaError

    with pytest.raises(GliaError, match=text):
        find_device(name)


@pytest.mark.parametrize("device", ["virtual:trn2", "virtual:inf2", "cpu", "reference"])
def test_all_devices_give_pytorch_s_values(device: str):
    import torch
    from torch import nn

    from glia.frontends.torch.capture import capture

    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(24, 40), nn.GELU(), nn.LayerNorm(40)).eval()
    x = torch.randn(6, 24)
    model = capture(module, (x,))
    device_run = find_device(device).load(model, "fp32")
    (found,) = device_run.run(model.inputs).values()
    np.testing.assert_allclose(found, module(x).detach().numpy(), rtol=1e-4, atol=1e-5)
    result = device_run.measured()
    assert result.latency.low <= result.latency.likely <= result.latency.high
    assert result.basis == ("virtual" if ":" in device else "measured")
