"""What the report says of how a model was looked at: sizes, kinds of operations, inputs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from glia.core.graph_records import GraphReading, OperationKind
from glia.port.graph_check.findings import num_untaken
from glia.port.graph_check.undocumented import is_listed_name

if TYPE_CHECKING:
    from glia.frontends.load import LoadedModel
    from glia.frontends.torch.study import Study


def reading_of(found: LoadedModel, learnt: Study, wall_s: float) -> GraphReading:
    """The record of a look that saw the graph, or a call."""
    is_captured = learnt.failure is None
    return GraphReading(
        found.name,
        "captured" if is_captured else "watched",
        f"{len(learnt.operations):,} operations of {_basis(learnt)}{_shrunk(found)}",
        len(learnt.operations),
        _kinds(learnt),
        learnt.cuts.num_graphs,
        _inputs(found),
        (),
        _glia(learnt),
        wall_s,
    )


def _basis(learnt: Study) -> str:
    is_watched = learnt.observation.is_watched
    if learnt.failure is not None:
        watched = "was watched" if is_watched else "does not bear being watched, so none was seen"
        return f"a call that {watched} ({learnt.failure.reason})"
    if not is_watched:
        return (
            "one captured graph; a plain call does not bear being watched, so waits of the host "
            "and what a second call changes were not looked for"
        )
    untaken = num_untaken(learnt)
    waits = "1 wait" if untaken == 1 else f"{untaken} waits"
    aside = f"; {waits} of the host in a plain call, none when captured" if untaken else ""
    return f"one captured graph{aside}"


def _shrunk(found: LoadedModel) -> str:
    return "".join(f"; {f.what}" for f in found.findings if f.rule == "fewer-layers")


def _inputs(found: LoadedModel) -> tuple[str, ...]:
    from torch import Tensor
    from torch.utils import _pytree as pytree

    from glia.frontends.torch.observe import fact_of

    given = (found.args, found.kwargs)
    leaves, _ = pytree.tree_flatten_with_path(given)
    return tuple(
        f"{_name(path[1:])}: {fact_of(leaf)}" for path, leaf in leaves if isinstance(leaf, Tensor)
    )


def _name(path: Any) -> str:
    """`input_ids`, `0['x']`: the first key bare, what lies inside it as it is written."""
    from torch.utils import _pytree as pytree

    first, *rest = path
    key = first.key if hasattr(first, "key") else first.idx
    return f"{key}{pytree.keystr(tuple(rest))}"


def _kinds(learnt: Study) -> tuple[OperationKind, ...]:
    """Kinds as PyTorch calls them, so that they do not depend on how the model was captured."""
    missing = {f.what.split()[0] for f in learnt.blocked}
    is_captured = learnt.failure is None
    counts: Counter[str] = Counter()
    untranslated: set[str] = set()
    for operation in learnt.operations:
        name = f"{operation}.{operation.overload}".rstrip(".")
        parts = learnt.parts.get(name, (name,))
        counts.update(parts)
        untranslated.update(parts if name in missing else ())
    return tuple(
        OperationKind(
            name, n, is_listed_name(name), name not in untranslated if is_captured else None
        )
        for name, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )


def _glia(learnt: Study) -> dict[str, str]:
    """What glia's own front end makes of the model; its compiler is tried by `glia compile`."""
    captured = learnt.captured
    if captured is not None:
        text = f"translates all: {captured.summary.num_nodes} operations of the tensor graph"
    else:
        text = f"does not translate it: {learnt.refused}"
    return {"front end": text}
