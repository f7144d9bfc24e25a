"""What PyTorch itself computes: every intermediate of the exported program, by its name.

The program is run by PyTorch's own interpreter and kernels in float32, so it shares nothing with
the tensor graph that it judges. Half-precision models run as their float32 copy.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
import torch.fx
from torch.export import ExportedProgram

from glia.frontends.torch.tensors import to_numpy

_HALVES = {torch.float16, torch.bfloat16}


class Reference:
    """Runs an exported program on flat tensors in the order of its placeholders."""

    def __init__(self, program: ExportedProgram, bindings: Mapping[str, Any]) -> None:
        """`bindings` maps placeholder names to tensors, or to Python constants."""
        self._program = program
        self._bindings = bindings

    def __call__(self, only: Collection[str] | None = None) -> dict[str, np.ndarray]:
        """Every tensor by the name that the graph uses for it, or `only` some of them."""
        interpreter = _Interpreter(self._program.graph_module, only)
        placeholders = self._program.graph.find_nodes(op="placeholder")
        with torch.no_grad():
            interpreter.run(*(widened(self._bindings[p.name]) for p in placeholders))
        return interpreter.seen

    def timed(self, repeats: int) -> list[float]:
        """Wall seconds of plain runs of the exported module, after one to warm up."""
        run = self._program.module()
        args, kwargs = self._program.example_inputs
        seconds = []
        with torch.no_grad():
            for _ in range(repeats + 1):
                start = time.perf_counter()
                run(*args, **kwargs)
                seconds.append(time.perf_counter() - start)
        return seconds[1:]


class _Interpreter(torch.fx.Interpreter):
    def __init__(self, module: torch.fx.GraphModule, only: Collection[str] | None) -> None:
        super().__init__(module)
        self.seen: dict[str, np.ndarray] = {}
        self._only = only

    def run_node(self, n: torch.fx.Node) -> Any:
        result = super().run_node(n)
        wanted = self._only is None or n.name in self._only
        if wanted and isinstance(result, torch.Tensor) and not result.is_complex():
            self.seen[n.name] = to_numpy(result)
        return result

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        if "_assert" in str(target):
            return None
        wide_args, wide_kwargs = torch.utils._pytree.tree_map(_wide_format, (args, kwargs))
        return super().call_function(target, wide_args, wide_kwargs)


def _wide_format(argument: Any) -> Any:
    return torch.float32 if argument in _HALVES else argument


def widened(value: Any) -> Any:
    """A half-precision tensor in float32; everything else as it is."""
    if isinstance(value, torch.Tensor) and value.dtype in _HALVES:
        return value.detach().float()
    return value.detach() if isinstance(value, torch.Tensor) else value
