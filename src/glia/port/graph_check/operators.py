"""Rules about operations of which few or none are documented."""

from __future__ import annotations

from glia.frontends.operations import Operation
from glia.port.graph_check.rule import UNKNOWN, GraphRule, base_name, example, named, on
from glia.port.rules.rule import LEAVE, Advice
from glia.port.rules.sources import (
    EXPORT_PROBE,
    GENERAL,
    NO_SORT,
    TROUBLESHOOT,
    error_code,
    neuron_sdk,
)

_FACTORS = (
    "linalg_svd",
    "linalg_svdvals",
    "svd",
    "linalg_eig",
    "linalg_eigh",
    "linalg_eigvals",
    "linalg_eigvalsh",
    "linalg_qr",
    "linalg_lu",
    "linalg_lu_factor",
    "linalg_cholesky",
    "linalg_cholesky_ex",
    "cholesky",
    "linalg_inv",
    "linalg_inv_ex",
    "inverse",
    "linalg_solve",
    "linalg_solve_ex",
    "linalg_lstsq",
    "linalg_pinv",
    "linalg_det",
    "linalg_slogdet",
    "linalg_matrix_exp",
)
_TRIANGULAR = ("triangular_solve", "linalg_solve_triangular", "cholesky_solve")
_ORDERS = (
    "sort",
    "argsort",
    "median",
    "nanmedian",
    "kthvalue",
    "mode",
    "quantile",
    "nanquantile",
    "msort",
    "histc",  # it becomes a sort
)
_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu", "quantized_lstm", "mkldnn_rnn_layer")
_DRAWING = frozenset(
    [
        "rand",
        "randn",
        "rand_like",
        "randn_like",
        "randint",
        "randint_like",
        "normal",
        "uniform",
        "bernoulli",
        "multinomial",
        "randperm",
        "native_dropout",
        "dropout",
        "exponential",
        "rrelu_with_noise",
    ]
)


def _draws(operation: Operation) -> str:
    if "nondeterministic_seeded" not in operation.tags and base_name(operation) not in _DRAWING:
        return ""
    if base_name(operation) in ("dropout", "native_dropout") and not _is_training(operation):
        return ""
    return operation.name if base_name(operation) not in _RECURRENT and _may_draw(operation) else ""


def _is_training(operation: Operation) -> bool:
    given = operation.arguments
    return bool(given.get("train", given.get("training", True)))


def _may_draw(operation: Operation) -> bool:
    """Attention is tagged as drawing because it can drop; with probability 0 it does not."""
    probability = operation.arguments.get("dropout_p", operation.arguments.get("p"))
    return probability != 0 and not ("attention" in operation.name and probability is None)


OUTSIDE = GraphRule(
    id="G037",
    title="an index lies outside its table",
    category="ops",
    why="the CPU stops here already; a gather or scatter beyond the table is refused by the "
    "Neuron compiler (NCC_EVRF056, NCC_EVRF031), and XLA takes the last row without a word",
    triggers=(),
    on=on(
        Advice("raises", "make the table as long as the sequence, or the sequence shorter"),
        Advice("silent", "make the table as long as the sequence, or the sequence shorter"),
        Advice("raises", "make the table as long as the sequence, or the sequence shorter"),
        Advice("raises", "make the table as long as the sequence, or the sequence shorter"),
    ),
    bad=example("return F.embedding(torch.arange(9), torch.ones(4, 2)) + x.sum()"),
    good=example("return F.embedding(torch.arange(4), torch.ones(4, 2)) + x.sum()"),
    grade="documented",
    sources=(error_code("EVRF056"), error_code("EVRF031")),
    see=("C095",),
    codes=("EVRF056", "EVRF031"),
)

RULES: tuple[GraphRule, ...] = (
    OUTSIDE,
    GraphRule(
        id="G044",
        title="triangular systems are solved",
        category="ops",
        why="the example of a refused operator in the pages of NCC_EUOC002 and NCC_EVRF001",
        triggers=(),
        on=on(Advice("raises", "its page suggests torch.inverse(A) @ b; or on the CPU", "hours")),
        bad=example("return torch.linalg.solve_triangular(x.tril() + 1, x, upper=False)"),
        good=example("return x.tril() @ x"),
        grade="documented",
        sources=(error_code("EUOC002"), error_code("EVRF001")),
        look=named(*_TRIANGULAR),
        codes=("EUOC002", "EVRF001"),
    ),
    GraphRule(
        id="G045",
        title="matrices are factored or inverted",
        category="ops",
        why="few of torch.linalg's factorizations are lowered for these chips",
        triggers=(),
        on=on(
            Advice("raises", "on the CPU, or by Newton-Schulz steps", "days"),
            Advice("unknown", "on the CPU", "hours"),
        ),
        bad=example("return torch.linalg.svd(x).S"),
        good=example("return torch.linalg.vector_norm(x)"),
        grade="general",
        sources=(TROUBLESHOOT, EXPORT_PROBE),
        see=("C098",),
        look=named(*_FACTORS),
    ),
    GraphRule(
        id="G046",
        title="a grid is sampled, or an image is resized bicubically",
        category="ops",
        why="reported as not supported, or in part",
        triggers=(),
        on=on(
            Advice("raises", "on the CPU, or as a gather", "hours"),
            Advice("slower", "leave it", "none"),
        ),
        bad=example(
            "return F.grid_sample(x, torch.zeros(1, 2, 2, 2), align_corners=False)",
            "torch.ones(1, 1, 4, 4)",
        ),
        good=example(
            'return F.interpolate(x, scale_factor=2, mode="nearest")', "torch.ones(1, 1, 4, 4)"
        ),
        grade="seen",
        sources=(neuron_sdk("issues/698"), EXPORT_PROBE),
        see=("C096",),
        look=named(
            "grid_sampler",
            "grid_sampler_2d",
            "grid_sampler_3d",
            "upsample_bicubic2d",
            "upsample_bicubic2d_aa",
        ),
    ),
    GraphRule(
        id="G047",
        title="the storage behind a tensor is used",
        category="semantics",
        why="XLA has no strides: a view by strides has no counterpart",
        triggers=(),
        on=on(
            Advice("raises", "reshape, unfold or gather", "hours"),
            Advice("raises", "reshape, unfold or gather", "hours"),
        ),
        bad=example("return x.as_strided((2, 2), (1, 2)) + 1"),
        good=example("return x[:2, :2] + 1"),
        grade="documented",
        sources=(TROUBLESHOOT, EXPORT_PROBE),
        see=("C089",),
        look=named("as_strided", "set", "as_strided_copy", "as_strided_scatter"),
        needs_capture=True,  # in a call the CPU's own Fourier transforms do it too
    ),
    GraphRule(
        id="G048",
        title="a loop runs on the device",
        category="control",
        why="NCC_IXGM002 was reported for every dynamic loop in August 2026",
        triggers=(),
        on=on(Advice("raises", "unroll it in Python with a fixed number of steps", "hours"), LEAVE),
        bad=example(
            "from torch._higher_order_ops import while_loop\n"
            "go = lambda i, y: i < 3\n"
            "step = lambda i, y: (i + 1, y * 2)\n"
            "return while_loop(go, step, (torch.tensor(0), x))[1]"
        ),
        good=example("for _ in range(3):\n    x = x * 2\nreturn x"),
        grade="seen",
        sources=(neuron_sdk("issues/1388"),),
        look=named("while_loop", "scan", "map_impl", "map", "associative_scan"),
    ),
    GraphRule(
        id="G049",
        title="a branch runs on the device",
        category="control",
        why="nothing says that the Neuron compiler takes it",
        triggers=(),
        on=on(Advice("unknown", "compute both sides and choose with torch.where", "hours"), LEAVE),
        bad=example("return torch.cond(x.sum() > 0, lambda y: y * 2, lambda y: y - 1, (x,))"),
        good=example("return torch.where(x.sum() > 0, x * 2, x - 1)"),
        grade="general",
        sources=(GENERAL,),
        look=named("cond"),
    ),
    GraphRule(
        id="G050",
        title="random numbers are drawn in the graph",
        category="rng",
        why="each family has a generator of its own: the same seed gives other numbers; the Neuron "
        "compiler takes its default algorithm only (NCC_EVRF006), which PyTorch uses",
        triggers=(),
        on=on(
            Advice("works", "compare distributions, not numbers; or draw on the CPU and pass it"),
            Advice("works", "compare distributions, not numbers; or draw on the CPU and pass it"),
        ),
        bad=example("return x + torch.rand_like(x)"),
        good=example("return x + torch.zeros_like(x)"),
        grade="documented",
        sources=(error_code("EVRF006"), EXPORT_PROBE),
        see=("C030", "C031"),
        look=_draws,
        codes=("EVRF006",),
    ),
    GraphRule(
        id="G051",
        title="a recurrent layer",
        category="ops",
        why="it becomes one copy of the cell per step or a loop; neither is documented",
        triggers=(),
        on=on(
            Advice("unknown", "attention or convolutions; else short sequences", "days"), UNKNOWN
        ),
        bad=(
            "import torch\n\n\ndef model():\n    return torch.nn.LSTM(4, 4), torch.ones(3, 2, 4)\n"
        ),
        good=example("return F.linear(x, torch.ones(4, 4))"),
        grade="general",
        sources=(GENERAL,),
        look=named(*_RECURRENT),
    ),
    GraphRule(
        id="G052",
        title="values are put in order",
        category="ops",
        why="on trn2 the Neuron compiler refuses every sort, of floats and integers alike "
        "(NCC_EVRF029, as reported: the code has no page), and points to top-k",
        triggers=(),
        on=on(
            Advice("raises", "topk of floats where the count is fixed; else on the CPU", "hours"),
            LEAVE,
        ),
        bad=example("return x.sort().values"),
        good=example("return x.topk(2).values"),
        grade="seen",
        sources=(NO_SORT, error_code("EHCA005"), EXPORT_PROBE),
        see=("C092", "C148"),
        look=named(*_ORDERS),
    ),
)
