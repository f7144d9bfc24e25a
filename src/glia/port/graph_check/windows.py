"""Rules about convolutions and pooling: combinations of windows that are refused."""

from __future__ import annotations

from collections.abc import Sequence

from glia.frontends.operations import Operation
from glia.port.graph_check.rule import GraphRule, base_name, example, named, on
from glia.port.rules.rule import LEAVE, Advice
from glia.port.rules.sources import (
    EXPORT_PROBE,
    error_code,
)

_CONVOLUTIONS = ("convolution", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
_PLAIN_CONVOLUTIONS = ("conv1d", "conv2d", "conv3d", "convolution")
_POOLS = (
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_pool1d_with_indices",
    "max_pool2d_with_indices",
    "max_pool3d_with_indices",
)
_POOLS_WITH_PLACES = (
    "max_pool1d_with_indices",
    "max_pool2d_with_indices",
    "max_pool3d_with_indices",
    "fractional_max_pool2d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "cummax",
    "cummin",
)


def _pair(value: object) -> tuple[int, ...]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(v for v in value if isinstance(v, int))
    return (value,) if isinstance(value, int) else ()


def _above_one(operation: Operation, name: str) -> bool:
    return any(n > 1 for n in _pair(operation.arguments.get(name)))


def _is_transposed(operation: Operation) -> bool:
    return base_name(operation).startswith("conv_transpose") or bool(
        operation.arguments.get("transposed")
    )


def _dilated_transposed(operation: Operation) -> str:
    """The stride of a transposed convolution dilates the input, its dilation the kernel."""
    if base_name(operation) not in _CONVOLUTIONS or not _is_transposed(operation):
        return ""
    if not (_above_one(operation, "stride") and _above_one(operation, "dilation")):
        return ""
    return f"{operation.name} with stride {operation.arguments['stride']} and dilation"


def _dilated_gradient(operation: Operation) -> str:
    """The gradient by the input dilates the input by the stride and the kernel by the dilation."""
    if base_name(operation) not in _PLAIN_CONVOLUTIONS or _is_transposed(operation):
        return ""
    both = _above_one(operation, "stride") and _above_one(operation, "dilation")
    return (
        f"{operation.name} with stride {operation.arguments['stride']} and dilation" if both else ""
    )


def _dilated_pool(operation: Operation) -> str:
    if base_name(operation) not in _POOLS or not _above_one(operation, "dilation"):
        return ""
    return f"{operation.name} with dilation {operation.arguments['dilation']}"


RULES: tuple[GraphRule, ...] = (
    GraphRule(
        id="G033",
        title="a transposed convolution has stride and dilation",
        category="ops",
        why="input and kernel would be dilated at once, which is refused (NCC_EVRF010)",
        triggers=(),
        on=on(Advice("raises", "change the size first, then convolve", "hours"), LEAVE),
        bad=example(
            "w = torch.ones(2, 1, 3, 3)\nreturn F.conv_transpose2d(x, w, stride=2, dilation=2)",
            "torch.ones(1, 2, 4, 4)",
        ),
        good=example(
            "w = torch.ones(2, 1, 3, 3)\nreturn F.conv_transpose2d(x, w, stride=2)",
            "torch.ones(1, 2, 4, 4)",
        ),
        grade="documented",
        sources=(error_code("EVRF010"), EXPORT_PROBE),
        see=("C094",),
        look=_dilated_transposed,
        codes=("EVRF010",),
    ),
    GraphRule(
        id="G034",
        title="a convolution has stride and dilation",
        category="ops",
        why="it runs; its gradient dilates input and kernel at once, which is refused in training "
        "(NCC_EVRF010)",
        triggers=(),
        on=on(Advice("unknown", "for training: dilate or stride, not both", "hours"), LEAVE),
        bad=example(
            "w = torch.ones(1, 2, 3, 3)\nreturn F.conv2d(x, w, stride=2, dilation=2)",
            "torch.ones(1, 2, 8, 8)",
        ),
        good=example(
            "w = torch.ones(1, 2, 3, 3)\nreturn F.conv2d(x, w, dilation=2)",
            "torch.ones(1, 2, 8, 8)",
        ),
        grade="documented",
        sources=(error_code("EVRF010"), error_code("EVRF011")),
        look=_dilated_gradient,
        codes=("EVRF010", "EVRF011"),
    ),
    GraphRule(
        id="G035",
        title="pooling is dilated",
        category="ops",
        why="a window with dilation is refused (NCC_EVRF018)",
        triggers=(),
        on=on(Advice("raises", "pool slices x[..., ::d], or without dilation", "hours"), LEAVE),
        bad=example("return F.max_pool2d(x, 2, dilation=2)", "torch.ones(1, 1, 8, 8)"),
        good=example("return F.max_pool2d(x, 2)", "torch.ones(1, 1, 8, 8)"),
        grade="documented",
        sources=(error_code("EVRF018"), EXPORT_PROBE),
        see=("C094",),
        look=_dilated_pool,
        codes=("EVRF018",),
    ),
    GraphRule(
        id="G036",
        title="the largest value of a window is asked for together with its place",
        category="ops",
        why="a window over two operands is refused (NCC_EVRF019), and this may become one",
        triggers=(),
        on=on(Advice("unknown", "pool without places, or compare with the pooled values", "hours")),
        bad=example("return F.max_pool2d(x, 2, return_indices=True)", "torch.ones(1, 1, 8, 8)"),
        good=example("return F.max_pool2d(x, 2)", "torch.ones(1, 1, 8, 8)"),
        grade="documented",
        sources=(error_code("EVRF019"),),
        look=named(*_POOLS_WITH_PLACES),
        needs_capture=True,
        codes=("EVRF019",),
    ),
)
