"""Defects that people found by attacking the proof and the capture, kept from coming back."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from glia.devices.virtual import VirtualDevice
from glia.frontends.torch.capture import capture
from glia.port.prove import Oracle, prove
from glia.port.similarity import check_output


class Function(nn.Module):
    def __init__(self, function) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def proved(module, *inputs, precision="fp32"):
    captured = capture(module.eval(), inputs, name="reported")
    parity, _ = prove(VirtualDevice("trn2").load(captured, precision), Oracle(captured))
    return parity


class ReturnsItsWeight(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.arange(6.0))

    def forward(self, x):
        return x * self.w, self.w


def twice_normed(x):
    for _ in range(2):
        mean = x.mean(-1, keepdim=True)
        x = (x - mean) / torch.sqrt(((x - mean) ** 2).mean(-1, keepdim=True) + 1e-7)
    return x


CORRECT = {
    "scalar beyond a mask's size": (Function(lambda a: (a * 1e31).sum()), torch.ones(3, 5)),
    "infinite sum": (Function(lambda a: a.sum()), torch.tensor([float("inf"), 1.0])),
    "a weight is an output": (ReturnsItsWeight(), torch.randn(2, 6)),
    "tails in short rows": (nn.GELU(), torch.linspace(-6, 6, 200)[:, None]),
    "underflow in short rows": (nn.Softmax(1), torch.linspace(-40, 40, 72).reshape(8, 9, 1)),
    "minus infinity comes out": (
        Function(lambda a: (a * 2).masked_fill(a > 1, float("-inf"))),
        torch.randn(4, 9),
    ),
    "a norm of a norm": (Function(twice_normed), torch.randn(4, 33)),
}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", CORRECT)
def test_a_correct_run_is_proved(name, precision):
    torch.manual_seed(0)
    module, data = CORRECT[name]
    parity = proved(module, data, precision=precision)
    assert parity.ok, (parity.first_failure, parity.outputs)


class NormedThenLinear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(33, 17)
        self.last = nn.Linear(17, 5)

    def forward(self, x):
        return self.last(torch.tanh(self.linear(twice_normed(x))))


@pytest.mark.parametrize("name", ["linear.weight", "last.weight"])
def test_what_cancels_first_hides_no_fault_after_it(name):
    """A near-zero mean may be all noise; that is no licence for the launches behind it."""
    torch.manual_seed(0)
    captured = capture(NormedThenLinear().eval(), (torch.randn(4, 33),), name="reported")
    graph = captured.graph
    wrong = {v: d * 1.001 if v.name == name else d for v, d in graph.constants.items()}
    broken = replace(captured, graph=replace(graph, constants=wrong))
    parity, _ = prove(VirtualDevice("trn2").load(broken, "fp32"), Oracle(captured))
    assert not parity.ok
    failure = parity.first_failure
    assert failure is not None and failure.op == "linear"


def test_head_dims_that_the_kernel_refuses_run_opened():
    torch.manual_seed(0)
    heads = [torch.randn(2, 2, 9, 160) for _ in range(3)]
    attend = Function(lambda q, k, v: nn.functional.scaled_dot_product_attention(q, k, v))
    assert proved(attend, *heads).ok


def test_a_large_batch_is_ranked_in_a_moment():
    rows = np.random.default_rng(0).standard_normal((4000, 8))
    start = time.process_time()
    assert check_output("x", rows, rows, 4000, 0.01).ok
    assert time.process_time() - start < 5


def test_a_reversed_ranking_is_not_a_tie_in_any_format():
    reference = np.array([[1, 0], [0.98, 0.199], [0.5, 0.866], [-0.5, 0.866]])
    value = np.array([[1, 0], [-0.5, 0.866], [0.98, 0.199], [0.5, 0.866]])
    assert check_output("x", value, reference, 4, 0.3).same_ranking is False


def test_empty_parts_of_a_concatenation_are_dropped():
    join = Function(lambda a, b: torch.cat([a, b]) * 2)
    parity = proved(join, torch.empty(0), torch.randn(5))
    assert parity.ok
