"""What capture promises: names, constants, sources, formats; and that it changes nothing."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from frontends.parity import Call, check, check_function
from glia.frontends.torch.capture import capture
from glia.graph.evaluate import evaluate
from glia.graph.parser import parse_graph
from glia.graph.text import constants_of, print_graph
from glia.graph.verify import verify


class Block(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.tied = nn.Linear(width, width, bias=False)
        self.tied.weight = self.dense.weight
        self.norm = nn.LayerNorm(width)
        self.drop = nn.Dropout(0.5)
        self.register_buffer("scale", torch.rand(width))
        self.register_buffer("table", torch.arange(32)[None], persistent=False)
        self.unused = nn.Linear(width, 100)
        self.calls = 0

    def forward(self, x, *, mask=None, flag=True):
        h = self.drop(F.gelu(self.dense(x)))
        h = self.norm(self.tied(h) + x * self.scale)
        places = self.table[:, : x.shape[1]]
        h = h + places[..., None].to(h.dtype) * 0.1
        return {"hidden": h, "pooled": h.mean(1), "none": None, "mask": mask} if flag else h


def example():
    torch.manual_seed(0)
    return Block(), torch.randn(3, 5, 8)


def test_graph_is_verified_and_its_text_round_trips():
    module, x = example()
    captured = check(module, (x,), {"mask": torch.ones(3)}, name="block")
    verify(captured.graph)
    text = print_graph(captured.graph)
    assert print_graph(parse_graph(text, constants_of(captured.graph))) == text


def test_weights_are_named_shared_and_not_copied():
    module, x = example()
    captured = capture(module, (x,))
    data = {value.name: array for value, array in captured.graph.constants.items()}
    assert np.shares_memory(data["dense.weight"], module.dense.weight.detach().numpy())
    assert np.shares_memory(data["scale"], module.scale.numpy())
    assert "tied.weight" not in data
    assert not any(name.startswith("unused") for name in data)
    assert captured.summary.num_parameters == 8 * 8 + 8 + 2 * 8


def test_values_carry_torch_names_layers_and_lines():
    module, x = example()
    nodes = {node.result.name: node for node in capture(module, (x,)).graph.nodes}
    assert {"linear", "gelu", "linear_1", "layer_norm", "mean"} <= set(nodes)
    assert nodes["linear"].layer == "dense" and nodes["layer_norm"].layer == "norm"
    source = nodes["gelu"].source
    assert source.file == __file__ and "F.gelu(self.dense(x))" in source.code


def test_output_structure_is_rebuilt():
    module, x = example()
    captured = capture(module, (x,), {"mask": torch.arange(3)})
    values = evaluate(captured.graph, captured.inputs)
    built = captured.rebuild([values[v.name] for v in captured.graph.outputs])
    assert list(built) == ["hidden", "pooled", "none", "mask"]
    assert built["none"] is None and torch.equal(built["mask"], torch.arange(3))
    assert captured.output_paths == ("['hidden']", "['pooled']", "['mask']")


@pytest.mark.parametrize("training", [True, False])
def test_module_is_left_as_it_was(training):
    module, x = example()
    module.train(training)
    module.norm.eval()
    before = copy.deepcopy(module.state_dict())
    modes = [m.training for m in module.modules()]
    identities = {name: id(p) for name, p in module.named_parameters()}
    captured = capture(module, (x,))
    assert [m.training for m in module.modules()] == modes
    assert {name: id(p) for name, p in module.named_parameters()} == identities
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())
    assert any(f.rule == "training-mode" for f in captured.findings) == training
    check(module, (x,))


def test_attribute_written_by_forward_is_restored():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.seen = 0

        def forward(self, x):
            self.seen += 1
            return x * 2

    module = Counting()
    capture(module, (torch.ones(2),))
    assert module.seen == 0


def test_failed_capture_restores_the_module():
    module, _ = example()
    module.train()
    with pytest.raises(Exception, match="running model"):
        capture(module, (torch.randn(3, 5, 9),))
    assert module.training and module.drop.training


def test_written_buffer_is_reported():
    class Running(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(1))

        def forward(self, x):
            self.count.add_(1)
            return x + self.count

    module = Running()
    captured = check(module, (torch.ones(2),))
    assert [f.rule for f in captured.findings if f.severity == "warns"] == ["buffer-written"]


def test_keyword_inputs_may_come_in_any_order():
    class Two(nn.Module):
        def forward(self, a, b, unused=None):
            return a - 2 * b

    a, b = torch.randn(3), torch.randn(3)
    captured = check(Two(), (), {"unused": torch.ones(1), "b": b, "a": a})
    assert set(captured.inputs) == {"a", "b", "unused"}
    assert np.array_equal(captured.inputs["b"], b.numpy())


def test_input_returned_as_it_is_and_constant_outputs():
    check_function(lambda x: (x, x, torch.arange(3), x.view(x.shape)), torch.randn(2, 2))


def test_nested_inputs():
    check(
        Call(lambda pair, last: pair[0] + pair[1]["y"] * last),
        ((torch.ones(2), {"y": torch.ones(2)}), 3.0),
    )


def test_parameter_named_like_an_operation():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.add = nn.Parameter(torch.ones(3))
            self.mul = nn.Parameter(torch.ones(3))

        def forward(self, x):
            return (x + self.add) * self.mul

    captured = check(Named(), (torch.randn(3),))
    assert {v.name for v in captured.graph.constants} == {"add.parameter", "mul.parameter"}


@pytest.mark.parametrize("format", [torch.bfloat16, torch.float16])
def test_half_precision_model_keeps_its_format_and_is_judged_in_float32(format):
    module, x = example()
    module = module.to(format).eval()
    captured = capture(module, (x.to(format),))
    name = str(format).removeprefix("torch.")
    assert {str(v.type.dtype) for v in captured.graph.outputs} == {name}
    values, reference = evaluate(captured.graph, captured.inputs), captured.reference()
    for key in values.keys() & reference.keys():
        assert np.allclose(values[key].astype(float), reference[key].astype(float), atol=2e-3)
    expected = module(x.to(format))["hidden"].detach().float().numpy()
    native = evaluate(captured.graph, captured.inputs, "native")[captured.graph.outputs[0].name]
    assert np.abs(native.astype(np.float32) - expected).max() < 0.05


def test_no_grad_and_autocast_regions_are_opened():
    def run(x):
        with torch.no_grad():
            y = x * 2
        with torch.autocast("cpu", enabled=False):
            y = y.float() @ y.transpose(0, 1)
        return y + x

    check_function(run, torch.randn(3, 3))


def test_reference_can_give_some_values_only():
    module, x = example()
    captured = capture(module, (x,))
    assert set(captured.reference({"gelu", "mean"})) == {"gelu", "mean"}


def test_summary_counts():
    module, x = example()
    summary = capture(module, (x,), name="block").summary
    assert summary.name == "block" and summary.num_sequences == 3
    assert summary.inputs == ("x: float32[3,5,8]",)
    assert summary.op_counts["linear"] == 2
    assert len(summary.input_hash) == 64
