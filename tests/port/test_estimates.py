"""Every predicted number in a report has a range, a mark, a reason and a source (issue point 7)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from glia.core.progress import NullProgress
from glia.core.records import to_json
from glia.port.job import port_model

PREDICTED = {
    "latency", "throughput", "utilisation", "flops", "hbm_bytes", "mfu", "energy", "power",
    "energy_per_thousand", "rental", "usd_per_million", "duration",
}  # fmt: skip
ESTIMATE = {"low", "likely", "high", "unit", "reason", "sources", "mark"}
KNOWN = {"counted", "measured"}
MODEL = """
import torch
from torch import nn
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 64), nn.GELU(), nn.LayerNorm(64)), torch.randn(4, 64)
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Any:
    file: Path = tmp_path_factory.mktemp("model") / "small.py"
    file.write_text(MODEL)
    made = port_model(
        f"{file}:model", ["inf2", "trn2"], ["h100", "l4"], "bf16", NullProgress(), "glia port"
    )
    return to_json(made)


def walk(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, value
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, inner in items:
        yield from walk(inner, (*path, str(key)))


def is_estimate(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() >= ESTIMATE


def estimates(report: Any) -> list[tuple[tuple[str, ...], Any]]:
    return [(path, value) for path, value in walk(report) if is_estimate(value)]


def test_predicted_quantities_are_estimates(report: Any):
    found = set()
    for path, value in walk(report):
        key = next((p for p in reversed(path) if not p.isdigit()), "")
        if key in PREDICTED and value is not None and not isinstance(value, (dict, list)):
            raise AssertionError(f"{'.'.join(path)} is the bare {value!r}")
        if is_estimate(value):
            found.add(next(p for p in reversed(path) if p in PREDICTED))
    assert found >= PREDICTED - {"rental", "usd_per_million"} | {"usd_per_million"}


def test_every_estimate_has_range_mark_reason_and_source(report: Any):
    bad = []
    for path, one in estimates(report):
        ordered = one["low"] <= one["likely"] <= one["high"]
        explained = one["reason"] and (one["sources"] or one["mark"] in KNOWN)
        if not (ordered and one["mark"] and one["unit"] and explained):
            bad.append(f"{'.'.join(path)}: {one}")
    assert len(estimates(report)) > 40
    assert not bad, "\n".join(bad[:5])


def test_what_is_predicted_is_not_a_point(report: Any):
    points = [
        ".".join(path)
        for path, one in estimates(report)
        if one["mark"] not in KNOWN and one["low"] == one["high"] and path[-1] != "rental"
    ]
    # A throughput or utilisation at its limit may be a point; a time or an energy may not.
    assert not [p for p in points if p.endswith(("latency", "energy", "usd_per_million"))]


def test_prices_have_source_and_date(report: Any):
    for quote in report["quotes"]:
        if quote["usd_per_million"] is not None:
            assert quote["price_source"] and quote["price_date"] and quote["price_instance"]


def test_targets_come_with_both_figures_and_rivals_by_roofline(report: Any):
    bases = [(q["chip"], q["basis"]) for q in report["quotes"]]
    assert bases == [
        ("inf2", "virtual"), ("inf2", "roofline"), ("trn2", "virtual"), ("trn2", "roofline"),
        ("h100", "roofline"), ("l4", "roofline"),
    ]  # fmt: skip


def test_assumptions_have_mark_and_source(report: Any):
    assert report["assumptions"]
    assert not [a for a in report["assumptions"] if not (a["mark"] and a["source"])]
