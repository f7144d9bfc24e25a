"""`glia shapes` on loaders of many forms; distinct graphs against torch.compile's own counting."""

import io
import json

import pytest
import torch

from glia.core.errors import ModelError, UsageError
from glia.core.units import counted
from glia.frontends.torch.repeat import num_graphs
from glia.port.shapes.data import load_data
from glia.port.shapes.job import Wishes, check_shapes
from glia.report.shapes_console import shapes_view
from glia.report.shapes_page import render_shapes

MODELS = """
import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 4)

    def forward(self, x):
        return self.a(x)


def net(): return Net(), torch.ones(2, 8)


class Attention(nn.Module):
    def forward(self, ids, attention_mask=None):
        return torch.softmax(ids.float(), -1)


def attention(): return Attention(), torch.ones(2, 8, dtype=torch.long)


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.n = 0

    def forward(self, x):
        self.n += 1
        return x * self.n


def counter(): return Counter(), torch.ones(2, 8)


class Scaled(nn.Module):
    def forward(self, x, k):
        return x * k


def scaled(): return Scaled(), (torch.ones(2, 8), 2)
def dropping(): return nn.Dropout(0.5).train(), torch.ones(2, 8)


class Branching(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            x = x * 2
        return x[x > 0]


def branching(): return Branching(), torch.ones(2, 8)


def drawn():
    while True:
        yield torch.ones(2, torch.ones(1).int().item() * 8)


class Table(nn.Module):
    def __init__(self):
        super().__init__()
        self.places = nn.Embedding(10, 2)

    def forward(self, ids):
        return self.places(torch.arange(ids.shape[1]))


def table(): return Table(), torch.ones(2, 8, dtype=torch.long)


def labelled(): return DataLoader(TensorDataset(torch.randn(35, 8), torch.zeros(35)), batch_size=8)
def arrays():
    for n in (3, 4, 5):
        yield np.ones((n, 8), dtype=np.float32), np.zeros(n)
def dicts():
    for n in (1, 2):
        yield {"x": torch.ones(n, 8), "label": torch.ones(n)}
def endless():
    while True:
        yield torch.ones(2, random.randint(3, 30), dtype=torch.long)
def lengths():
    for n in (5, 9, 5, 12):
        yield torch.ones(2, n, dtype=torch.long)
def steps():
    for k in range(4):
        yield torch.ones(2, 8), k
def nothing(): return []
def raises():
    yield torch.ones(2, 8)
    raise RuntimeError("disk is gone")
def misfits(): return [torch.ones(2, 9)]
def none(): return None
def number(): return 3
def forms():
    yield {"x": torch.ones(2, 8)}
    yield torch.ones(2, 8)
def ranks():
    yield torch.ones(2, 8)
    yield torch.ones(2, 2, 8)
def needs(path): return []
class Cuda(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 4).cuda()

    def forward(self, x):
        return self.a(x.to("cuda"))


def cuda(): return Cuda(), torch.ones(2, 8, device="cuda")
def on_cuda():
    for n in (3, 5):
        yield torch.ones(n, 8, device="cuda")
batches = [torch.ones(2, 8), torch.ones(2, 8)]
"""


@pytest.fixture
def census(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(MODELS)

    def census(model, data, **wishes):
        return check_shapes(f"{file}:{model}", f"{file}:{data}", Wishes(**wishes))

    return census


def advice(report):
    return " | ".join(report.advice)


def test_labels_are_left_out_and_a_small_last_batch_is_named(census):
    report = census("net", "labelled")
    assert (report.num_batches, report.is_complete, len(report.graphs)) == (5, True, 2)
    assert "its first item" in report.call
    assert [d.sizes for d in report.varying] == [((3, 1), (8, 4))]
    assert "drop_last=True" in advice(report)
    assert report.second.num_same_shape == 0
    assert report.ok


def test_arrays_of_numpy_and_extra_keys(census):
    assert [g.inputs for g in census("net", "arrays").graphs] == [
        ("x: float32[3, 8]",),
        ("x: float32[4, 8]",),
        ("x: float32[5, 8]",),
    ]
    report = census("net", "dicts")
    assert "label" in report.call
    assert len(report.graphs) == 2


def test_a_loader_without_end_is_read_up_to_the_limit(census):
    report = census("attention", "endless", limit=20)
    assert (report.num_batches, report.is_complete) == (20, False)
    assert "limit" in advice(report)


def test_lengths_without_a_mask(census):
    report = census("attention", "lengths")
    assert "attention_mask, which the loader does not give" in advice(report)
    assert report.plans[0].buckets == ((12,),)
    assert report.plans[0].waste == pytest.approx(1 - 31 / 48)
    assert report.plan.num_graphs == 2


def test_distinct_graphs_are_those_that_torch_compiles(census, tmp_path):
    for model, data in (("net", "arrays"), ("attention", "lengths"), ("scaled", "steps")):
        report = census(model, data)
        batches = list(load_data(f"{tmp_path / 'mine.py'}:{data}").batches(100))
        calls = [_arguments(batch, report) for batch in batches]
        module = {"net": _net(), "attention": _Attention(), "scaled": _Scaled()}[model]
        assert num_graphs(module, calls)[-1] == len(report.graphs)


def _arguments(batch, report):
    if "first item" in report.call:
        batch = batch[0]
    given = batch if isinstance(batch, tuple) else (batch,)
    return tuple(torch.as_tensor(x) if hasattr(x, "shape") else x for x in given), {}


def _net():
    return torch.nn.Linear(8, 4)


class _Attention(torch.nn.Module):
    def forward(self, ids):
        return torch.softmax(ids.float(), -1)


class _Scaled(torch.nn.Module):
    def forward(self, x, k):
        return x * k


def test_plain_values_that_change_are_graphs(census):
    report = census("scaled", "steps")
    assert len(report.graphs) == 4
    assert "k is a plain value that changes (4 seen)" in advice(report)
    assert report.plan is None


def test_state_in_python_does_not_repeat(census):
    report = census("counter", "batches")
    assert report.second.num_again == 1
    assert any("compiles again" in line for line in report.advice)
    assert ".n ==" in report.second.reason
    assert not report.second.same_values
    assert any("gives other values" in line for line in report.advice)
    assert not report.ok


def test_dropout_repeats_with_a_seed(census):
    second = census("dropping", "batches").second
    assert (second.same_values, second.same_unseeded, second.ok) == (True, False, True)
    assert second.random_operations


def test_syncs_of_a_call_and_of_the_source(census):
    syncs = {s.code: s for s in census("branching", "batches").syncs}
    assert syncs["if x.sum() > 0:"].found_by == "run and source"
    assert "nonzero" in syncs["return x[x > 0]"].kind or "index" in syncs["return x[x > 0]"].kind


def test_lines_that_the_model_does_not_run_are_no_syncs_of_it(census):
    assert census("net", "drawn", limit=3).syncs == ()
    assert census("branching", "drawn", limit=3).syncs


def test_shapes_that_the_model_does_not_take(census):
    report = census("table", "lengths")
    assert "the model fails on batch 3" in advice(report)
    assert "IndexError" in advice(report)


def test_structures_that_differ(census):
    report = census("net", "ranks")
    assert len(report.graphs) == 2
    assert "2 structures" in advice(report)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("nothing", "got no batch"),
        ("raises", "batch 1 of"),
        ("misfits", "got no call that works"),
        ("none", "got None, expected an iterable of batches"),
        ("number", "got a value of type int"),
        ("forms", "giving batch 1"),
    ],
)
def test_bad_loaders(census, data, says):
    with pytest.raises(ModelError, match=says):
        census("net", data)


@pytest.mark.parametrize(("data", "says"), [("needs", "parameters path"), ("nope", "no function")])
def test_bad_names(census, data, says):
    with pytest.raises(UsageError, match=says):
        census("net", data)


def test_no_file(census, tmp_path):
    with pytest.raises(UsageError, match="expected a Python file"):
        check_shapes(f"{tmp_path / 'mine.py'}:net", f"{tmp_path / 'other.py'}:x", Wishes())


def test_wishes_choose_the_plan(census):
    assert census("attention", "lengths", max_graphs=1).plan.num_graphs == 1
    assert census("attention", "lengths", max_waste=0.05).plan.num_graphs == 3
    (bucket,) = census("attention", "lengths", max_graphs=1, multiple=64).plan.buckets
    assert bucket == (64,)


def test_views(census):
    from rich.console import Console

    report = census("attention", "lengths", compile_minutes=5)
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(shapes_view(report))
    text = console.export_text()
    assert "15 min" in text
    assert "repeats the first" in text
    page = render_shapes(report)
    assert "<svg" in page
    assert "12" in page


def test_the_command(tmp_path):
    from typer.testing import CliRunner

    from glia.cli.app import app

    file = tmp_path / "mine.py"
    file.write_text(MODELS)
    page = tmp_path / "page.html"
    given = [
        "shapes",
        f"{file}:attention",
        "--data",
        f"{file}:lengths",
        "--json",
        "--html",
        str(page),
    ]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert len(report["graphs"]) == 3
    assert page.is_file()
    bad = CliRunner().invoke(app, [*given, "--max-waste", "2"])
    assert bad.exit_code == 2
    again = ["shapes", f"{file}:counter", "--data", f"{file}:batches"]
    assert CliRunner().invoke(app, again).exit_code == 1


def test_the_example_of_the_readme():
    from pathlib import Path

    file = Path(__file__).parents[3] / "examples" / "shapes_buckets.py"
    report = check_shapes(f"{file}:classifier", f"{file}:loader", Wishes())
    assert (report.num_batches, len(report.graphs), report.plan.num_graphs) == (63, 44, 6)
    assert round(report.plan.waste, 3) == 0.083
    assert report.ok


def test_a_model_and_a_loader_that_ask_for_cuda_are_counted_on_the_cpu(census):
    report = census("cuda", "on_cuda")
    assert (report.num_batches, len(report.graphs)) == (2, 2)
    assert "asks for CUDA, and the CPU stood in" in report.advice[0]
    assert census("net", "batches").advice == ()


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1 batch"), (2, "2 batches"), (0, "0 batches"), (1200, "1,200 batches")],
)
def test_counts_are_in_the_singular_for_one(number, text):
    assert counted(number, "batch", "batches") == text
    assert counted(number, "graph").endswith("graph" if number == 1 else "graphs")
