"""What to do about shapes, in sentences that stand on what was counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from glia.core.shape_records import SecondStep
from glia.port.shapes.census import Census, Leaf

_PADDED_BY = ("mask", "length", "lens", "seqlen", "cu_seq")


def advice_for(
    census: Census, parameters: Sequence[str], is_complete: bool, num_new: int | None
) -> tuple[str, ...]:
    """The sentences, the cheapest remedy first."""
    return tuple(_sentences(census, parameters, is_complete, num_new))


def advice_for_step(second: SecondStep) -> Iterator[str]:
    """What to do where the second step does not repeat the first."""
    if second.num_again or second.num_same_shape:
        which = "the same batch" if second.num_again else "another batch of the same shapes"
        yield (
            f"{which} compiles again: something in Python changes from step to step or with the "
            "data (a counter, a flag, a length); keep it in a tensor or out of the model, or every "
            "step may compile"
        )
    if not second.same_values:
        yield (
            "with one seed the second step gives other values: state is kept between steps, or "
            "numbers are drawn outside of torch; no comparison with another chip holds until then"
        )


def _sentences(
    census: Census, parameters: Sequence[str], is_complete: bool, num_new: int | None
) -> Iterator[str]:
    if _last_is_smaller(census) and is_complete:
        yield (
            "only the last batch is smaller: drop_last=True in the DataLoader saves its graph in "
            "training; in evaluation pad it and ignore the padded rows"
        )
    for name, values in census.values().items():
        yield (
            f"{name} is a plain value that changes ({len(values)} seen): a compiled graph keeps "
            "each; pass it as a tensor"
        )
    if len(census.structures()) > 1:
        yield (
            f"batches come in {len(census.structures())} structures (other tensors, or other "
            "numbers of dims): the plan is for the most frequent; make them one"
        )
    unfilled = [p for p in parameters if _says_padding(p)]
    lengths = [d for d, grows in _dims(census) if grows]
    if lengths and not _has_mask(census):
        yield (
            f"{', '.join(lengths)} would be padded, and no input is a mask or a list of lengths: "
            "without one the padding changes results of attention, means and norms over that dim"
            + "".join(f"; the model has {p}, which the loader does not give" for p in unfilled)
        )
    if num_new:
        yield (
            f"a second pass gave {num_new} shapes that the first did not have: every epoch brings "
            "new graphs; pad to the buckets above"
        )
    if not is_complete:
        yield "the loader was read up to the limit only: what comes later is not counted (--limit)"


def _dims(census: Census) -> list[tuple[str, bool]]:
    varying = census.varying()
    return [(d.name, g) for d, g in zip(varying.dims, varying.grows, strict=True)]


def _last_is_smaller(census: Census) -> bool:
    """One batch alone has another number of samples, and it is the last."""
    dims = census.varying().dims
    batch = next((d for d in dims if d.name == "batch"), None)
    if batch is None or len(batch.sizes) != 2 or census.last is None:
        return False
    (small, number), _ = batch.sizes
    leading = {leaf.shape[0] for leaf in _shaped(census.last) if leaf.shape}
    return number == 1 and small in leading


def _shaped(signature: tuple[Leaf, ...]) -> list[Leaf]:
    return [leaf for leaf in signature if leaf.shape is not None]


def _has_mask(census: Census) -> bool:
    """An input that says what is padding. A parameter of the model that nobody fills is none."""
    return any(_says_padding(i.name) for i in census.inputs)


def _says_padding(name: str) -> bool:
    return any(word in name.lower() for word in _PADDED_BY)
