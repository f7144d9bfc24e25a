"""Rules about kinds of tensors and sizes that the compiler does not take, or not for certain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil

from glia.cost.memory.architecture import Attention
from glia.cost.memory.sharding import smallest_degree
from glia.frontends.operations import Operation, TensorFact
from glia.port.graph_check.rule import GraphRule, base_name, example, is_integer, on
from glia.port.rules.rule import LEAVE, Advice
from glia.port.rules.sources import (
    COMPILER,
    EXPORT_PROBE,
    JAX_NEURON,
    error_code,
    neuron_sdk,
)

# Above these, what the vendor writes no longer covers it.
_MLP_LIMIT = 4096  # NCC_EBIR023
_PRODUCTS = ("linear", "addmm", "mm")
_VIEW_DIMS = 5  # dimensions of a view in NKI's language guide
_GUIDE = neuron_sdk("blob/master/nki/get-started/nki-language-guide.rst")
_COLLECTIVES = ("all_reduce", "all_reduce_", "reduce_scatter_tensor", "reduce_scatter")


def _integer_collective(operation: Operation) -> str:
    first = operation.first
    if operation.namespace not in ("_c10d_functional", "c10d") or first is None:
        return ""
    name = operation.name.removesuffix("_coalesced")
    integer = is_integer(first.dtype, 32, 64)
    return f"{operation.name} of {first}" if name in _COLLECTIVES and integer else ""


def _custom(operation: Operation) -> str:
    known = ("aten", "prims", "prim", "_c10d_functional", "c10d", "higher_order", "quantized")
    return "" if operation.namespace in known else str(operation)


def _other_layout(operation: Operation) -> str:
    if operation.namespace == "quantized":
        return str(operation)
    odd = [f for f in (*operation.inputs, *operation.outputs) if _is_odd(f)]
    return f"{operation.name} with a tensor of layout {odd[0].layout}" if odd else ""


def _is_odd(fact: TensorFact) -> bool:
    sparse = fact.layout.startswith(("sparse", "jagged"))
    return sparse or fact.dtype.startswith(("qint", "quint"))


def _many_dims(operation: Operation) -> str:
    widest = max((f for f in operation.outputs), key=lambda f: len(f.shape), default=None)
    if widest is None or len(widest.shape) <= _VIEW_DIMS:
        return ""
    return f"{operation.name} gives {widest}"


def _wide_middle(operations: Sequence[Operation]) -> Iterator[tuple[Operation, str]]:
    """The second product of a feed-forward block: it narrows what an earlier one widened.

    Attention between two products parts them: what widens before it belongs to its heads.
    """
    widened: set[int] = set()
    for operation in operations:
        if _mixes(operation):
            widened.clear()
        if base_name(operation) not in _PRODUCTS or not operation.outputs:
            continue
        taken = next((f.shape[-1] for f in operation.inputs if len(f.shape) >= 2), None)
        given = operation.outputs[0].shape[-1]
        if taken is None or given is None:
            continue
        if taken > _MLP_LIMIT and taken in widened and given < taken:
            yield operation, f"{taken} wide{_within(operations, taken)}"
        if given > taken:
            widened.add(given)


def _within(operations: Sequence[Operation], width: int) -> str:
    """The smallest degree that the model's heads allow, as `glia fit` judges degrees."""
    attentions = list(_attentions(operations))
    degree = smallest_degree(attentions, width, ceil(width / _MLP_LIMIT))
    if degree is None:
        return "; no tensor-parallel degree that divides its heads brings it within the limit"
    return f": within the limit at a tensor-parallel degree of {degree}"


def _attentions(operations: Sequence[Operation]) -> Iterator[Attention]:
    """Heads of each attention; KV heads before they are repeated, where that is seen."""
    repeated: dict[int, int] = {}
    for operation in operations:
        given, made = operation.first, operation.outputs[:1]
        if operation.name == "expand" and given is not None and len(given.shape) == 5:
            _, heads, one, *_ = given.shape
            times = made[0].shape[2] if made and len(made[0].shape) == 5 else None
            if one == 1 and heads and times:
                repeated[heads * times] = heads
        if "scaled_dot_product" not in operation.name or len(operation.inputs) < 2:
            continue
        query, key = operation.inputs[:2]
        if len(query.shape) != 4 or len(key.shape) != 4:
            continue
        heads, kv_heads, size = query.shape[1], key.shape[1], query.shape[3] or 0
        if heads and kv_heads:
            yield Attention(heads, repeated.get(kv_heads, kv_heads), size, size)


def _mixes(operation: Operation) -> bool:
    name = base_name(operation)
    return name in ("softmax", "bmm") or "attention" in name


RULES: tuple[GraphRule, ...] = (
    GraphRule(
        id="G038",
        title="a feed-forward block is wider than 4,096",
        category="ops",
        why="the compiler's MLP kernel stops beyond 4,096 per core (NCC_EBIR023); when it chooses "
        "that kernel is not documented",
        triggers=(),
        on=on(
            Advice("unknown", "shard the block with tensor parallelism, or tile it", "hours"), LEAVE
        ),
        bad=example(
            "h = F.gelu(F.linear(x, torch.ones(4100, 4)))\nreturn F.linear(h, torch.ones(4, 4100))"
        ),
        good=example(
            "h = F.gelu(F.linear(x, torch.ones(4096, 4)))\nreturn F.linear(h, torch.ones(4, 4096))"
        ),
        grade="documented",
        sources=(error_code("EBIR023"),),
        look_at_all=_wide_middle,
        needs_capture=True,
        is_avoidable=True,
        codes=("EBIR023",),
    ),
    GraphRule(
        id="G039",
        title="integers are summed over ranks",
        category="distributed",
        why="collectives add in float32, exact to 2**24 only, by default; with "
        "--implicit-integer-downcast=none they are refused (NCC_EVRF061, NCC_EVRF063)",
        triggers=(),
        on=on(Advice("silent", "cast to float32 in so many words; keep sums below 2**24")),
        bad=example(
            "import torch.distributed as dist\n"
            "import torch.distributed._functional_collectives as ranks\n"
            "if not dist.is_initialized():\n"
            "    dist.init_process_group('gloo', store=dist.HashStore(), rank=0, world_size=1)\n"
            "return ranks.all_reduce(x, 'sum', dist.group.WORLD)",
            "torch.arange(4)",
        ),
        good=example(
            "import torch.distributed as dist\n"
            "import torch.distributed._functional_collectives as ranks\n"
            "if not dist.is_initialized():\n"
            "    dist.init_process_group('gloo', store=dist.HashStore(), rank=0, world_size=1)\n"
            "return ranks.all_reduce(x, 'sum', dist.group.WORLD)",
            "torch.ones(4)",
        ),
        grade="documented",
        sources=(error_code("EVRF061"), error_code("EVRF063"), COMPILER),
        see=("C091",),
        look=_integer_collective,
        codes=("EVRF061", "EVRF063"),
    ),
    GraphRule(
        id="G041",
        title="a tensor has more than five dims",
        category="shape",
        why="views of NKI have up to five dims; what the compiler does beyond is not documented",
        triggers=(),
        on=on(Advice("unknown", "join dims with reshape where they move together", "hours"), LEAVE),
        bad=example("return x.reshape(2, 2, 1, 1, 2, 2).transpose(0, 5) + 1"),
        good=example("return x.reshape(2, 2, 2, 2).transpose(0, 3) + 1"),
        grade="documented",
        sources=(_GUIDE,),
        look=_many_dims,
    ),
    GraphRule(
        id="G042",
        title="an operation that is not PyTorch's own",
        category="kernels",
        why="the compiler recognises a fixed list of custom calls (NCC_EHCA005, NCC_EVRF015); an "
        "operation of a library passes only where it falls apart into ordinary ones",
        triggers=(),
        on=on(
            Advice(
                "unknown", "write it with PyTorch's own operations, or as an NKI kernel", "days"
            ),
            Advice("unknown", "write it with PyTorch's own operations, or in Pallas", "days"),
            Advice("unknown", "see whether its library builds for ROCm", "days"),
        ),
        bad=(
            "import torch\n\n\n"
            '@torch.library.custom_op("mine::twice", mutates_args=())\n'
            "def twice(x: torch.Tensor) -> torch.Tensor:\n    return x * 2\n\n\n"
            "@twice.register_fake\ndef _(x):\n    return torch.empty_like(x)\n\n\n"
            "class Model(torch.nn.Module):\n    def forward(self, x):\n"
            "        return twice(x)\n\n\ndef model():\n    return Model(), torch.ones(4)\n"
        ),
        good=example("return x * 2"),
        grade="documented",
        sources=(error_code("EHCA005"), error_code("EVRF015")),
        look=_custom,
        codes=("EHCA005", "EVRF015"),
    ),
    GraphRule(
        id="G043",
        title="tensors are sparse, ragged or quantised",
        category="ops",
        why="there are dense arrays only",
        triggers=(),
        on=on(
            Advice("raises", "dense tensors or sums by segments; else stay on the GPU", "days"),
            Advice("raises", "dense tensors", "days"),
        ),
        bad=example("return torch.sparse.mm(x.to_sparse(), torch.ones(4, 4))"),
        good=example("return x @ torch.ones(4, 4)"),
        grade="documented",
        sources=(JAX_NEURON, EXPORT_PROBE),
        see=("C099",),
        look=_other_layout,
    ),
)
