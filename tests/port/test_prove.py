"""Correct runs of varied models pass the proof: no false alarms, in either format."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from glia.port.errors import cosine, relative_error, row_errors, worst_absolute
from glia.port.prove import Oracle, prove
from port.models import bert, captured, loaded

PRECISIONS = ("bf16", "fp32")


def assert_proved(model: Any, precision: str, chip: str = "trn2") -> None:
    parity, _ = prove(loaded(model, precision, chip), Oracle(model))
    bad = [o for o in parity.outputs if not o.ok]
    assert parity.first_failure is None, parity.first_failure
    assert parity.ok, bad


class Deep(nn.Module):
    """30 linears, each with a residual or not."""

    def __init__(self, activation: nn.Module, residual: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(48, 48) for _ in range(30)])
        self.activation, self.residual = activation, residual

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            y = self.activation(layer(x))
            x = x + y if self.residual else y
        return x


class Heads(nn.Module):
    """Logits, classes, flags and differences that cancel."""

    def __init__(self) -> None:
        super().__init__()
        self.score = nn.Linear(64, 30)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        y = self.score(x)
        return y.log_softmax(-1), y.argmax(-1), y > 0, y - y.mean(0), y.max(-1).values


class Elementwise(nn.Module):
    """Functions that magnify or cancel."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        wave, steep = torch.sin(40 * x) + torch.cos(x), torch.exp(5 * x)
        return wave, steep, (x - 1) ** 3, x.cumsum(1), x.var(-1), x / (x.abs() + 0.1)


class Causal(nn.Module):
    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def _random(*shape: int, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(len(shape)))


def _modules() -> dict[str, tuple[nn.Module, tuple[torch.Tensor, ...]]]:
    torch.manual_seed(3)
    scores = nn.Sequential(nn.Linear(64, 100), nn.Softmax(-1))
    return {
        "residual": (Deep(nn.ReLU(), True), (_random(5, 48),)),
        "plain": (Deep(nn.GELU(), False), (_random(5, 48),)),
        "saturated": (Deep(nn.Tanh(), True), (_random(130, 48),)),
        "large": (Deep(nn.ReLU(), True), (_random(5, 48, scale=1e4),)),
        "constant rows": (nn.LayerNorm(64), (torch.full((7, 64), 3.3),)),
        "zeros": (nn.Sequential(nn.Linear(64, 64), nn.LayerNorm(64)), (torch.zeros(5, 64),)),
        "sharp softmax": (scores, (_random(9, 64, scale=30.0),)),
        "one column": (nn.Linear(512, 1), (_random(700, 512),)),
        "heads": (Heads(), (_random(50, 64),)),
        "elementwise": (Elementwise(), (_random(33, 64),)),
        "causal": (Causal(), tuple(_random(2, 3, 140, 32, scale=s) for s in (8.0, 8.0, 1.0))),
    }


MODULES = _modules()
BERTS: list[dict[str, Any]] = [
    {"batch": 1, "length": 1, "spread": 0.02},
    {"batch": 5, "length": 2, "spread": 0.5, "layers": 2},
    {"batch": 3, "length": 129, "hidden": 96, "heads": 3, "spread": 1.0},
    {"batch": 1, "length": 130, "heads": 1, "spread": 0.1},
    {"batch": 2, "length": 33, "heads": 4, "spread": 0.3, "layers": 6},
    *({"family": f, "batch": 3, "length": 17, "heads": 4, "attention": "eager"}
      for f in ("Roberta", "MPNet", "Electra")),
    *({"family": f, "batch": 3, "length": 17, "heads": 4} for f in ("Albert", "DistilBert")),
]  # fmt: skip


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", MODULES)
def test_a_correct_run_of_a_module_is_proved(name: str, precision: str):
    module, inputs = MODULES[name]
    assert_proved(captured(module, *inputs, name=name), precision)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("case", BERTS, ids=str)
def test_a_correct_run_of_an_encoder_is_proved(case: dict[str, Any], precision: str):
    assert_proved(bert(**case), precision)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_random_encoders_are_proved(seed: int):
    rng = np.random.default_rng(seed)
    heads = int(rng.choice([1, 2, 3, 4]))
    model = bert(
        family=str(rng.choice(["Bert", "Roberta", "MPNet", "Albert", "Electra", "DistilBert"])),
        batch=int(rng.integers(1, 6)),
        length=int(rng.integers(1, 131)),
        hidden=heads * int(rng.choice([8, 20, 32, 64])),
        layers=int(rng.integers(1, 5)),
        heads=heads,
        seed=seed,
        spread=float(rng.choice([0.02, 0.1, 0.3, 1.0])),
    )
    assert_proved(model, str(rng.choice(PRECISIONS)), str(rng.choice(["inf2", "trn2"])))


def test_what_bf16_cannot_hold_is_not_proved():
    """A mean of 1000 leaves bf16 no digits of the deviations: the right answer is no."""
    model = captured(nn.LayerNorm(64), 1e3 + _random(7, 64))
    parity, _ = prove(loaded(model, "bf16"), Oracle(model))
    assert not parity.ok
    failure = parity.first_failure
    assert failure is not None and failure.local is not None
    assert failure.local <= (failure.local_budget or 0)
    assert_proved(model, "fp32")


def test_pytorch_runs_once_for_all_targets(monkeypatch):
    model, calls = bert(batch=1, length=3), []
    oracle = Oracle(model)
    original = type(model.reference).__call__

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(type(model.reference), "__call__", counted)
    for chip in ("inf2", "trn2"):
        prove(loaded(model, "bf16", chip), oracle)
    assert len(calls) == 1


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("value", "reference", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 3.0], [1.0, 2.0], (1 / 5) ** 0.5),
        ([0.0, 0.0], [0.0, 0.0], 0.0),
        ([1.0, 0.0], [0.0, 0.0], INF),
        ([NAN, 1.0], [NAN, 1.0], INF),
        ([NAN, 1.0], [1.0, 1.0], INF),
        ([1.0, 1.0], [NAN, 1.0], INF),
        ([-INF, 1.0], [-3e38, 1.0], 0.0),
        ([-INF, 1.5], [-3e38, 1.0], 0.5),
        ([INF, 1.0], [-INF, 1.0], INF),
        ([5.0, 1.0], [-INF, 1.0], INF),
    ],
)
def test_relative_error(value: list[float], reference: list[float], expected: float):
    found = relative_error(np.array(value), np.array(reference))
    assert found == pytest.approx(expected, rel=1e-12)
    if expected == INF and NAN in (*value, *reference):
        assert worst_absolute(np.array(value), np.array(reference)) == INF
        assert cosine(np.array(value), np.array(reference)) == 0.0


def test_one_wrong_row_is_not_averaged_away():
    rng = np.random.default_rng(0)
    reference = rng.standard_normal((10_000, 8))
    value = reference.copy()
    value[77] *= 1.02
    error, scale = row_errors(value, reference)
    assert (error / scale).max() == pytest.approx(0.02)
    assert relative_error(value, reference) < 0.001
