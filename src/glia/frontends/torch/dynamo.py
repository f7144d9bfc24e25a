"""Captures the fx graph that torch.compile gives a backend.

Dynamo passes the model's weights as inputs. They are told apart by where Dynamo found them, become
constants under their own names again, and only what changes from call to call stays an input.
Sizes that Dynamo made symbolic are fixed to those of the given inputs: capture once per shape.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
import torch.fx
from torch import nn
from torch.fx.traceback import preserve_node_meta

from glia.frontends.captured import Captured
from glia.frontends.torch.capture import capture

_STEP = re.compile(r"\['([^']+)'\]|\.([A-Za-z_]\w*)")
_TABLES = ("_modules", "_parameters", "_buffers")


class DynamoModel:
    """A graph module from Dynamo; create it inside the backend call.

    Dynamo forgets where inputs come from when the backend returns, so this remembers it, and can
    capture later, for the real inputs of a call and for each new shape of them.
    """

    def __init__(self, gm: torch.fx.GraphModule) -> None:
        self._gm = gm
        self._paths = [weight_path(p) for p in gm.graph.find_nodes(op="placeholder")]

    def call_inputs(self, inputs: Sequence[Any]) -> list[Any]:
        """Of the inputs that Dynamo passes, those that are not weights; sizes as integers.

        The tensors among them are, in this order, the inputs of the captured graph.
        """
        pairs = zip(self._paths, inputs, strict=True)
        return [int(x) if isinstance(x, torch.SymInt) else x for path, x in pairs if not path]

    def capture(self, inputs: Sequence[Any], name: str = "compiled") -> Captured:
        """Capture for inputs as Dynamo passes them, weights included.

        `rebuild` of the result gives what the graph module returns.

        Raises:
            ModelError, BlockedError: as `capture`.
        """
        module = _Lifted(self._gm, self._paths, inputs)
        return capture(module, self.call_inputs(inputs), {}, name)


def capture_fx(gm: torch.fx.GraphModule, inputs: Sequence[Any], name: str = "compiled") -> Captured:
    """Capture a graph module from Dynamo at once, while its backend is being called."""
    return DynamoModel(gm).capture(inputs, name)


def weight_path(placeholder: torch.fx.Node) -> str:
    """The path of the parameter or buffer that a placeholder stands for; empty for other inputs."""
    argument = placeholder.meta.get("grapharg")
    source = argument.source.name if argument is not None else ""
    if "_parameters[" not in source and "_buffers[" not in source:
        return ""
    steps = [key or attribute for key, attribute in _STEP.findall(source)]
    # The first step is the local or global variable that holds the model.
    return ".".join(step for step in steps[1:] if step not in _TABLES)


class _Lifted(nn.Module):
    """The graph module with the weights it is given bound to their paths."""

    def __init__(
        self, gm: torch.fx.GraphModule, paths: Sequence[str], inputs: Sequence[Any]
    ) -> None:
        super().__init__()
        self._runner = torch.fx.Interpreter(gm)
        self._paths = paths
        for path, tensor in zip(self._paths, inputs, strict=True):
            if path:
                _attach(self, path.split("."), tensor)

    def forward(self, *inputs: Any) -> Any:
        """Run the graph, node by node, so that each keeps its line and module."""
        rest = iter(inputs)
        values = [_attribute(self, path) if path else next(rest) for path in self._paths]
        with preserve_node_meta():
            return self._runner.run(*values)


def _attach(module: nn.Module, path: Sequence[str], tensor: torch.Tensor) -> None:
    owner = module
    for part in path[:-1]:
        if part not in owner._modules:
            owner.add_module(part, nn.Module())
        owner = owner.get_submodule(part)
    if isinstance(tensor, nn.Parameter):
        owner.register_parameter(path[-1], tensor)
    else:
        owner.register_buffer(path[-1], tensor)


def _attribute(module: nn.Module, path: str) -> Any:
    owner, _, last = path.rpartition(".")
    return getattr(module.get_submodule(owner), last)
