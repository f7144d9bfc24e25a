"""Words and figures of a census of shapes that the console and the page share."""

from __future__ import annotations

from collections.abc import Sequence

from glia.core.shape_records import BucketPlan, SecondStep, ShapeReport, VaryingDim
from glia.core.units import counted


def sizes_text(dim: VaryingDim) -> str:
    """`7 sizes from 12 to 512`, or all of them when they are few."""
    if len(dim.sizes) <= 4:
        return ", ".join(f"{size} ({number}x)" for size, number in dim.sizes)
    return f"{len(dim.sizes)} sizes from {dim.sizes[0][0]} to {dim.sizes[-1][0]}"


def buckets_text(plan: BucketPlan, limit: int = 12) -> str:
    """`64, 128, 512`; several dims as `8 x 64`."""
    shown = [" x ".join(map(str, bucket)) for bucket in plan.buckets[:limit]]
    more = len(plan.buckets) - len(shown)
    return ", ".join(shown) + (f", {more} more" if more > 0 else "")


def waste_text(plan: BucketPlan) -> str:
    """The padding as a percentage; `~` where a search found it and more may be possible."""
    return f"{'' if plan.is_exact else '~'}{100 * plan.waste:.1f} %"


def compile_text(report: ShapeReport, num_graphs: int) -> str:
    """What compiling so many graphs takes, or that it is not known."""
    if report.compile_time is None:
        return "unknown"
    minutes = report.compile_time.likely * num_graphs / 60
    return f"{minutes:.3g} min" if minutes < 120 else f"{minutes / 60:.3g} h"


def shapes_shown(shapes: Sequence[tuple[tuple[int, ...], int]]) -> str:
    """`1 shape: 8 x 128`, `31 shapes, from 8 x 12 to 8 x 512` by the number of elements."""
    ordered = sorted((s for s, _ in shapes), key=_elements)
    texts = [" x ".join(map(str, shape)) or "scalar" for shape in ordered]
    if len(texts) == 1:
        return f"1 shape: {texts[0]}"
    return f"{len(texts)} shapes, from {texts[0]} to {texts[-1]}"


def _elements(shape: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    total = 1
    for size in shape:
        total *= size
    return total, shape


def second_step_lines(second: SecondStep) -> tuple[str, ...]:
    """What the second step showed, one sentence each."""
    return (_graphs_line(second), *_same_shape_line(second), _values_line(second))


def _graphs_line(second: SecondStep) -> str:
    if second.num_graphs is None:
        return f"graphs: unknown, torch.compile gave up ({second.reason})"
    first = counted(second.num_graphs, "graph")
    if second.num_again:
        why = f": the guard {second.reason} failed" if second.reason else ""
        return f"graphs: {first} at the first call, {second.num_again} more at the second{why}"
    return f"graphs: {first} at the first call, none more at the second on the same batch"


def _same_shape_line(second: SecondStep) -> tuple[str, ...]:
    if second.num_same_shape is None:
        return ()
    if not second.num_same_shape:
        return ("another batch of the same shapes compiles nothing more",)
    cause = f"the guard {second.reason} failed" if second.reason else "its values take other ways"
    why = f": {cause}"
    return (f"another batch of the same shapes compiles {second.num_same_shape} more{why}",)


def _values_line(second: SecondStep) -> str:
    drawn = f" ({', '.join(second.random_operations)})" if second.random_operations else ""
    if not second.same_values:
        return "values: the second call gives other values even with the same seed"
    if not second.same_unseeded:
        return f"values: the same with one seed; without, random numbers differ{drawn}"
    return "values: the second call gives the same, bit for bit"
