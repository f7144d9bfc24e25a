"""Opens one aten call into simpler ones, for ops that have no rule of their own.

Only that call is traced again, on fake tensors, so everything around it stays as it was captured.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.fx
from torch.fx.experimental.proxy_tensor import make_fx

from glia.frontends.torch.aten import find


def opened_by_dispatch(node: torch.fx.Node) -> tuple[str, ...]:
    """The names of the operations that PyTorch itself calls for a node; none when it cannot say."""
    tensors = [n for n in node.all_input_nodes if isinstance(n.meta.get("val"), torch.Tensor)]

    def call(*values: Any) -> Any:
        given = dict(zip(tensors, values, strict=True))
        args, kwargs = torch.fx.node.map_arg(
            (node.args, node.kwargs), lambda n: given.get(n, n.meta.get("val"))
        )
        return node.target(*args, **kwargs)  # type: ignore[operator]

    opened = _traced(call, [n.meta["val"] for n in tensors], {})
    calls = opened.graph.nodes if opened is not None else ()
    return tuple(str(n.target) for n in calls if isinstance(n.target, torch._ops.OpOverload))


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
    return _traced(call, examples, table)


def _traced(call: Any, examples: list[Any], table: dict[Any, Any]) -> torch.fx.GraphModule | None:
    mode = next((v.fake_mode for v in examples if hasattr(v, "fake_mode")), None)
    try:
        with mode or torch.no_grad(), torch.no_grad():
            return make_fx(torch.func.functionalize(call), decomposition_table=table)(*examples)
    except Exception:  # a decomposition that cannot be traced is one that we do not have
        return None


def _is_simpler(opened: torch.fx.GraphModule, target: Any) -> bool:
    calls = [n.target for n in opened.graph.nodes if n.op == "call_function"]
    return target not in calls
