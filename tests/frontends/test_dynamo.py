"""Graphs from torch.compile: the weights are told from the inputs, the values are the model's."""

import numpy as np
import torch
from torch import nn

from glia.frontends.torch.dynamo import DynamoModel, capture_fx
from glia.frontends.torch.tensors import to_numpy
from glia.graph.evaluate import evaluate


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(6, 6), nn.Linear(6, 6)])
        self.register_buffer("shift", torch.rand(6))

    def forward(self, x, scale):
        for layer in self.layers:
            x = torch.relu(layer(x)) + self.shift
        return {"scaled": x * scale, "first": x[0]}


def backend(captures):
    def compile(gm, example_inputs):
        captures.append(capture_fx(gm, example_inputs))
        model = DynamoModel(gm)

        def run(*inputs):
            captured = model.capture(inputs)
            tensors = [t for t in model.call_inputs(inputs) if isinstance(t, torch.Tensor)]
            names = [value.name for value in captured.graph.inputs]
            arrays = dict(zip(names, map(to_numpy, tensors), strict=True))
            values = evaluate(captured.graph, arrays, "native")
            return captured.rebuild([values[v.name] for v in captured.graph.outputs])

        return run

    return compile


def test_values_and_weights_of_a_compiled_module():
    torch.manual_seed(0)
    net, captures = Net().eval(), []
    torch.compiler.reset()
    compiled = torch.compile(net, backend=backend(captures))
    with torch.no_grad():
        for size in (4, 5, 7):
            x, scale = torch.randn(size, 6), torch.rand(6)
            got, expected = compiled(x, scale), net(x, scale)
            assert torch.allclose(got["scaled"], expected["scaled"], atol=1e-6)
            assert torch.allclose(got["first"], expected["first"], atol=1e-6)
    graph = captures[0].graph
    weights = {v.name: data for v, data in graph.constants.items()}
    assert {"layers.0.weight", "layers.1.bias", "shift"} <= set(weights)
    assert np.shares_memory(weights["layers.0.weight"], net.layers[0].weight.detach().numpy())
    assert len(graph.inputs) == 2
    first = next(n for n in graph.nodes if n.op == "linear")
    assert first.source.file == __file__ and first.layer.startswith("layers.")
