"""The composite whose meaning is a graph of its own: what a pass decided to run as one kernel."""

from __future__ import annotations

from glia.graph.builder import GraphBuilder
from glia.graph.ir import Graph, TensorType, Value
from glia.graph.op import composite, require


def _fused_type(*operands: TensorType, body: Graph) -> TensorType:
    require(type(body) is Graph, f"body={body!r}", "a Graph", "build it with GraphBuilder")
    takes = tuple(value.type for value in body.inputs)
    wanted = f"operands of types ({', '.join(map(str, takes))}), which the body takes"
    require(operands == takes, f"{len(operands)} operands", wanted, "pass what the body takes")
    single = len(body.outputs) == 1
    require(single, f"a body of {len(body.outputs)} outputs", "one output", "split the body")
    return body.outputs[0].type


@composite(_fused_type)
def fused(builder: GraphBuilder, *operands: Value, body: Graph) -> Value:
    """`body`, a graph of as many inputs as there are operands and one output, inlined."""
    return builder.inline(body, operands)[0]
