"""Opens one aten call into simpler ones, for ops that have no rule of their own.

Only that call is traced again, on fake tensors, so everything around it stays as it was captured.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.fx
from torch.fx.experimental.proxy_tensor import make_fx

from glia.frontends.torch.aten import find


def decomposed(node: torch.fx.Node) -> torch.fx.GraphModule | None:
    """The call as a graph over its tensor arguments, in order; None when it is not decomposable."""
    tensors = node.all_input_nodes
    if not isinstance(node.target, torch._ops.OpOverload):
        return None

    def call(*values: Any) -> Any:
        given = dict(zip(tensors, values, strict=True))
        args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), given.__getitem__)
        return node.target(*args, **kwargs)  # type: ignore[operator]

    examples = [n.meta.get("val") for n in tensors]
    if not all(isinstance(v, torch.Tensor) for v in examples):
        return None
    opened = _trace(call, examples)
    return opened if opened is not None and _is_simpler(opened, node.target) else None


def _trace(call: Any, examples: list[Any]) -> torch.fx.GraphModule | None:
    table = {
        op: function
        for op, function in torch._decomp.core_aten_decompositions().items()
        if find(op) is None
    }
    mode = next((v.fake_mode for v in examples if hasattr(v, "fake_mode")), None)
    try:
        with mode or torch.no_grad(), torch.no_grad():
            return make_fx(torch.func.functionalize(call), decomposition_table=table)(*examples)
    except Exception:  # a decomposition that cannot be traced is one that we do not have
        return None


def _is_simpler(opened: torch.fx.GraphModule, target: Any) -> bool:
    calls = [n.target for n in opened.graph.nodes if n.op == "call_function"]
    return target not in calls
