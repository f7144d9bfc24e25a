"""Compares a captured graph, evaluated in float64, with PyTorch's own float32 values."""

import numpy as np
import torch
from torch.utils import _pytree as pytree

from glia.frontends.captured import Captured
from glia.frontends.torch.capture import capture
from glia.frontends.torch.tensors import to_numpy
from glia.graph.evaluate import evaluate


def distance(got, expected):
    """Largest error over the largest magnitude (integers must be equal, infinities in place)."""
    assert got.shape == expected.shape
    if expected.dtype.kind in "biu":
        return float(not np.array_equal(got, expected))
    got, expected = got.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(expected) & (np.abs(expected) < 1e30)
    assert np.array_equal(np.isnan(got), np.isnan(expected))
    assert np.allclose(got[~finite], expected[~finite], equal_nan=True)
    if not finite.any():
        return 0.0
    scale = max(float(np.abs(expected[finite]).max()), 1e-6)
    return float(np.abs(got[finite] - expected[finite]).max()) / scale


def check(module, args=(), kwargs=None, tolerance=1e-5, **options) -> Captured:
    """Capture; every intermediate of PyTorch that the graph names, and every output, must agree."""
    kwargs = kwargs or {}
    captured = capture(module, args, kwargs, **options)
    values, reference = evaluate(captured.graph, captured.inputs), captured.reference()
    for name in values.keys() & reference.keys():
        error = distance(values[name], reference[name])
        assert error <= tolerance, f"{name}: {error}"
    check_outputs(captured, values, module, args, kwargs, tolerance)
    return captured


def check_outputs(captured, values, module, args, kwargs, tolerance):
    """The graph's outputs against the untouched module's, in evaluation mode."""
    training = [(m, m.training) for m in module.modules()]
    module.eval()
    with torch.no_grad():
        leaves = [x for x in pytree.tree_leaves(module(*args, **kwargs)) if x is not None]
    for submodule, mode in training:
        submodule.training = mode
    expected = [to_numpy(x) for x in leaves if isinstance(x, torch.Tensor)]
    assert len(expected) == len(captured.graph.outputs) > 0
    for value, array in zip(captured.graph.outputs, expected, strict=True):
        error = distance(values[value.name], array)
        assert error <= tolerance, f"output {value.name}: {error}"


class Call(torch.nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *args):
        return self.function(*args)


def check_function(function, *args, tolerance=1e-5) -> Captured:
    """`check` of a plain function of tensors."""
    return check(Call(function), args, tolerance=tolerance)
