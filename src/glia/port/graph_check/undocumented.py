"""Operations of which no page says that the Neuron compiler takes them.

The vendor's list is short: ordinary arithmetic stands on none of its pages and compiles in every
published model. So three classes are kept apart: listed; not listed, but made of the primitives of
StableHLO, which is what the compiler reads; and neither. Only the last is a finding.
"""

from __future__ import annotations

from glia.frontends.operations import Operation
from glia.port.graph_check.rule import GraphRule, base_name, example, on
from glia.port.rules.rule import Advice
from glia.port.rules.sources import GENERAL, neuron_sdk

OPERATOR_LIST = neuron_sdk(
    "blob/master/frameworks/torch/torch-neuronx/pytorch-neuron-supported-operators.rst"
)
# The aten operators of that page, as of 2026-03-13, in the forms that a captured graph has.
LISTED = frozenset(
    [
        "s_where",
        "where",
        "softmax",
        "unsafe_view",
        "add",
        "addcdiv",
        "addcmul",
        "addmm",
        "bernoulli",
        "bmm",
        "constant_pad_nd",
        "div",
        "embedding",
        "embedding_dense_backward",
        "empty",
        "expand",
        "fill",
        "index_select",
        "log_softmax",
        "lt",
        "mm",
        "mul",
        "native_batch_norm",
        "neg",
        "permute",
        "relu",
        "rsub",
        "select",
        "slice",
        "sqrt",
        "sum",
        "t",
        "tanh",
        "threshold_backward",
        "transpose",
        "unsqueeze",
        "view",
        "zero",
    ]
)
# What the compiler has custom calls for (NCC_EHCA005), and what the pages of its codes name as
# working on floats (NCC_EVRF016, NCC_EVRF060, NCC_EVRF062), by the names of PyTorch.
DOCUMENTED_CALLS = frozenset(
    (
        "erf",
        "gelu",
        "silu",
        "rms_norm",
        "softmax",
        "argmax",
        "argmin",
        "topk",
        "dropout",
        "native_dropout",
        "upsample_nearest2d",
        "upsample_bilinear2d",
        "scatter",
        "scatter_add",
        "scatter_reduce",
        "index_add",
        "index_put",
        "index_copy",
        "pow",
    )
)


def is_listed(operation: Operation) -> bool:
    """True when the vendor's list of operators has it."""
    return operation.namespace == "aten" and base_name(operation) in LISTED


def is_listed_name(name: str) -> bool:
    """The same of `aten.addmm.default`."""
    namespace, operation, *overload = name.split(".")
    return is_listed(Operation(namespace, operation, ".".join(overload), {}, ()))


UNDOCUMENTED = GraphRule(
    id="G060",
    title="an operation of which nothing is documented",
    category="ops",
    why="it is on no list of the vendor, and not made of operations that the front end can name",
    triggers=(),
    on=on(Advice("unknown", "try it on the chip, or write it with ordinary operations", "hours")),
    bad=example("return torch.special.bessel_j0(x)"),
    good=example("return torch.sin(x)"),
    grade="general",
    sources=(OPERATOR_LIST, GENERAL),
    needs_capture=True,
)
RULES: tuple[GraphRule, ...] = (UNDOCUMENTED,)
