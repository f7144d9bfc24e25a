"""Collectives: what ranks exchange through their links, one function per public operation.

Every rank of a group comes to the same call; the machine then carries it out on the arrays of all
(`Sync.exchange`). Reductions go through float32, in the order of the group, and saturate.
Source: aws-neuron-sdk nki/api/nki/collectives/__init__.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from glia.core.machine import available_bytes
from glia.isa.dma_engine.descriptors import PACKET_BYTES
from glia.isa.engines import engine as Engine
from glia.isa.launch.builder import collective, current
from glia.isa.meetings.algorithms import algorithm, hbm_bytes
from glia.isa.objects import NKIObject
from glia.isa.rules import f32, refusal, require, store, traffic
from glia.isa.stream import CollectiveWork, DmaWork, Instruction, Sync, Work
from glia.isa.tensors.tensor import NkiTensor

Arrays = Sequence[Sequence[np.ndarray]]
_REDUCTIONS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "add": np.add,
    "minimum": np.minimum,
    "maximum": np.maximum,
}


class ReplicaGroup(NKIObject):
    """The groups of ranks that take part in a collective, as disjoint lists of ranks."""

    __slots__ = ("groups",)

    def __init__(self, groups: Iterable[Iterable[int]] = ()) -> None:
        self.groups = tuple(tuple(int(rank) for rank in group) for group in groups)
        ranks = [rank for group in self.groups for rank in group]
        what = f"ReplicaGroup({[list(g) for g in self.groups]})"
        require(bool(ranks) and all(self.groups), what, "an empty group", "lists of ranks")
        require(len(set(ranks)) == len(ranks), what, "a rank twice", "disjoint groups")
        require(min(ranks) >= 0, what, "a negative rank", "ranks from 0")

    def __repr__(self) -> str:
        return f"ReplicaGroup({[list(group) for group in self.groups]})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ReplicaGroup) and self.groups == other.groups

    def __hash__(self) -> int:
        return hash(self.groups)


# -- what all have in common -------------------------------------------------------------------


def mine(what: str, group: Any) -> tuple[int, ...]:
    """The list of ranks that this rank is in.

    Raises:
        KernelError: for no ReplicaGroup, ranks that do not exist, or a rank in no list.
    """
    place = current(what).place
    if not isinstance(group, ReplicaGroup):
        raise refusal(f"{what} replica_group", type(group).__name__, "a ReplicaGroup")
    top = max(max(ranks) for ranks in group.groups)
    require(
        top < place.num_ranks,
        f"{what} replica_group",
        f"rank {top} of {place.num_ranks}",
        f"ranks 0..{place.num_ranks - 1}",
        "simulate as many ranks with nki.simulate_ranks(kernel, n)",
    )
    found = next((ranks for ranks in group.groups if place.rank in ranks), None)
    if found is None:
        raise refusal(f"{what} replica_group", f"{group!r}", f"a list with rank {place.rank}")
    return found


def tensors(what: str, role: str, given: Any, count: int = 0) -> tuple[NkiTensor, ...]:
    """A list of tensors; `count` of them when above 0."""
    fits = isinstance(given, (list, tuple)) and given
    if not fits or not all(isinstance(t, NkiTensor) for t in given):
        raise refusal(f"{what} {role}", f"{given!r}", "a list of tensors")
    if count and len(given) != count:
        raise refusal(f"{what} {role}", f"{len(given)} tensors", f"{count}")
    return tuple(given)


def check_places(what: str, views: Sequence[NkiTensor], count: int, sbuf: bool = True) -> None:
    """All in HBM, or one pair in SBUF where that is supported."""
    memories = sorted({view.storage.memory for view in views})
    allowed = ("hbm", "sbuf") if sbuf else ("hbm",)
    require(
        len(memories) == 1 and memories[0] in allowed,
        what,
        f"tensors in {' and '.join(memories)}",
        "all in HBM or all in SBUF" if sbuf else "all in HBM",
    )
    if memories[0] == "sbuf":
        require(count == 1, what, f"{count} tensors in SBUF", "one; several only in HBM")
        require(
            all(view.ndim == 2 for view in views),
            what,
            "a tensor in SBUF of more than 2 dims",
            "one free dim",
        )
    kinds = {view.dtype for view in views}
    require(len(kinds) == 1, what, " and ".join(sorted(map(str, kinds))), "one dtype")


def reduction(what: str, op: Any) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The function of nl.add, nl.minimum or nl.maximum."""
    name = getattr(op, "name", None) or getattr(op, "__name__", "")
    found = _REDUCTIONS.get(str(name))
    if found is None:
        raise refusal(f"{what} op", f"{op!r}", "nl.add, nl.minimum or nl.maximum")
    return found


def check_priority(what: str, priority: Any) -> None:
    """0..3, on chips whose DMA has classes of service."""
    if priority is not None:
        target = current(what).target
        require(
            target.can.dma_priority,
            what,
            f"priority on {target.chip}",
            "a chip with DMA priorities",
        )
        require(
            isinstance(priority, int) and 0 <= priority <= 3,
            f"{what} priority",
            f"{priority!r}",
            "0..3, the lower the sooner",
        )


def issue(
    what: str,
    group: tuple[int, ...],
    dsts: Sequence[NkiTensor],
    srcs: Sequence[NkiTensor],
    num_bytes: int,
    exchange: Callable[[Arrays], None],
    detail: str = "",
) -> Instruction:
    """Emit a meeting of the group. The detail keeps calls apart that do not belong together."""
    shapes = ", ".join(f"{v.dtype}{list(v.shape)}" for v in srcs)
    key = f"{what} of {shapes} over {list(group)}" + (f" ({detail})" if detail else "")
    local = _bytes((*srcs, *dsts))
    _check_machine(what, len(group), local)
    read, written = _hbm_bytes(what, len(group), num_bytes, srcs, dsts)
    dma = DmaWork(
        num_bytes=max(local, 1),
        num_elements=max(-(-local // PACKET_BYTES), 1),
        element_bytes=min(max(local, 1), PACKET_BYTES),
        hbm_read_bytes=read,
        hbm_write_bytes=written,
        queue="collective",
        static=True,
    )
    work = Work(
        dma=dma,
        collective=CollectiveWork(what, len(group), num_bytes),
        sram=traffic(*srcs, *dsts),
    )
    sync = Sync("collective", group, key, exchange)
    return current(what).emit(what, Engine.dma, dsts, srcs, work, _nothing, sync=sync)


def _check_machine(what: str, size: int, local_bytes: int) -> None:
    """Refuse what this process cannot hold: the system would kill it without a word.

    The meeting fills every rank's destinations and copies every rank's sources first.
    """
    needed_bytes, free_bytes = size * local_bytes, available_bytes()
    require(
        free_bytes is None or needed_bytes <= free_bytes,
        what,
        f"{size} ranks that exchange {needed_bytes / 2**30:.3g} GiB in this process",
        f"at most the {(free_bytes or 0) / 2**30:.3g} GiB that this machine has free; take fewer "
        "ranks or smaller tensors",
    )


def _hbm_bytes(
    what: str,
    size: int,
    num_bytes: int,
    srcs: Sequence[NkiTensor],
    dsts: Sequence[NkiTensor],
) -> tuple[int, int]:
    """Bytes that the HBM of this rank reads and writes; those in SBUF stay out of it."""
    target = current(what).target
    way = algorithm(num_bytes, size, target.mesh_limit, target.rdh_limit)
    counted = hbm_bytes(what, size, num_bytes, way)
    if counted is not None and not any(v.on_chip for v in (*srcs, *dsts)):
        return counted
    return _bytes([v for v in srcs if not v.on_chip]), _bytes([v for v in dsts if not v.on_chip])


def _nothing(*_: np.ndarray) -> None:
    """The meeting does it."""


def _bytes(views: Sequence[NkiTensor]) -> int:
    return sum(view.size * view.dtype.itemsize for view in views)


def combined(function: Any, parts: Sequence[np.ndarray]) -> np.ndarray:
    """Parts reduced in order, in float32 as the DMA computes; the store converts and saturates."""
    total = f32(parts[0]).copy()
    for part in parts[1:]:
        total = function(total, f32(part))
    return total


def _split(operands: Arrays, count: int) -> list[tuple[Sequence[np.ndarray], list[np.ndarray]]]:
    """Per rank its `count` destinations, and copies of its sources: they may be the same memory."""
    return [(arrays[:count], [a.copy() for a in arrays[count:]]) for arrays in operands]


def _same_lists(what: str, srcs: Any, dsts: Any) -> tuple[tuple[NkiTensor, ...], ...]:
    sources, targets = tensors(what, "srcs", srcs), tensors(what, "dsts", dsts)
    require(
        len(sources) == len(targets),
        what,
        f"{len(sources)} srcs and {len(targets)} dsts",
        "as many of each",
    )
    return sources, targets


def _check_shapes(
    what: str,
    sources: Sequence[NkiTensor],
    targets: Sequence[NkiTensor],
    expected: Callable[[tuple[int, ...]], tuple[int, ...] | None],
) -> None:
    for src, dst in zip(sources, targets, strict=True):
        wanted = expected(src.shape)
        require(
            wanted is not None,
            f"{what} src",
            f"shape {src.shape}",
            "a size in the collective dim that the group's size divides",
        )
        require(dst.shape == wanted, f"{what} dst", f"shape {dst.shape}", f"{wanted}")


def _dim(what: str, dim: Any, allowed: tuple[int, ...]) -> int:
    if isinstance(dim, bool) or dim not in allowed:
        choices = " or ".join(map(str, allowed))
        raise refusal(f"{what} collective_dim", f"{dim!r}", f"{choices} for these tensors")
    return int(dim)


# -- the operations ----------------------------------------------------------------------------


@collective
def all_reduce(
    srcs: Sequence[NkiTensor],
    dsts: Sequence[NkiTensor],
    replica_group: ReplicaGroup,
    op: Any,
    priority: int | None = None,
    name: str | None = None,
) -> Instruction:
    """Every dst = the reduction of that src over the ranks of the group."""
    what = "all_reduce"
    sources, targets = _same_lists(what, srcs, dsts)
    group, function = mine(what, replica_group), reduction(what, op)
    check_priority(what, priority)
    check_places(what, (*sources, *targets), len(sources))
    _check_shapes(what, sources, targets, lambda shape: shape)

    def exchange(operands: Arrays) -> None:
        ranks = _split(operands, len(targets))
        for i in range(len(targets)):
            total = combined(function, [sent[i] for _, sent in ranks])
            for received, _ in ranks:
                store(received[i], total)

    return issue(what, group, targets, sources, _bytes(sources), exchange, str(function.__name__))


@collective
def all_gather(
    srcs: Sequence[NkiTensor],
    dsts: Sequence[NkiTensor],
    replica_group: ReplicaGroup,
    collective_dim: int,
    priority: int | None = None,
    name: str | None = None,
) -> Instruction:
    """Every dst = that src of all ranks, one after the other along `collective_dim`."""
    what = "all_gather"
    sources, targets = _same_lists(what, srcs, dsts)
    group = mine(what, replica_group)
    check_priority(what, priority)
    check_places(what, (*sources, *targets), len(sources))
    dim = _dim(what, collective_dim, (0, 1) if sources[0].on_chip else (0,))
    size = len(group)
    _check_shapes(
        what, sources, targets, lambda shape: (*shape[:dim], shape[dim] * size, *shape[dim + 1 :])
    )

    def exchange(operands: Arrays) -> None:
        ranks = _split(operands, len(targets))
        for i in range(len(targets)):
            whole = np.concatenate([sent[i] for _, sent in ranks], axis=dim)
            for received, _ in ranks:
                received[i][...] = whole

    return issue(what, group, targets, sources, _bytes(targets), exchange, f"dim {dim}")


@collective
def reduce_scatter(
    srcs: Sequence[NkiTensor],
    dsts: Sequence[NkiTensor],
    replica_group: ReplicaGroup,
    collective_dim: int,
    op: Any,
    priority: int | None = None,
    name: str | None = None,
) -> Instruction:
    """Rank i's dst = the i-th part, along dim 0, of the reduction of that src."""
    what = "reduce_scatter"
    sources, targets = _same_lists(what, srcs, dsts)
    group, function = mine(what, replica_group), reduction(what, op)
    check_priority(what, priority)
    check_places(what, (*sources, *targets), len(sources))
    _dim(what, collective_dim, (0,))
    size = len(group)
    _check_shapes(
        what,
        sources,
        targets,
        lambda shape: None if shape[0] % size else (shape[0] // size, *shape[1:]),
    )

    def exchange(operands: Arrays) -> None:
        ranks = _split(operands, len(targets))
        for i in range(len(targets)):
            total = combined(function, [sent[i] for _, sent in ranks])
            for (received, _), part in zip(ranks, np.split(total, size), strict=True):
                store(received[i], part)

    return issue(what, group, targets, sources, _bytes(sources), exchange, str(function.__name__))


@collective
def all_to_all(
    srcs: Sequence[NkiTensor],
    dsts: Sequence[NkiTensor],
    replica_group: ReplicaGroup,
    collective_dim: int,
    priority: int | None = None,
    name: str | None = None,
) -> Instruction:
    """Part j of rank i's src becomes part i of rank j's dst, along dim 0."""
    what = "all_to_all"
    sources, targets = _same_lists(what, srcs, dsts)
    group = mine(what, replica_group)
    check_priority(what, priority)
    check_places(what, (*sources, *targets), len(sources), sbuf=False)
    _dim(what, collective_dim, (0,))
    size = len(group)
    _check_shapes(what, sources, targets, lambda shape: None if shape[0] % size else shape)

    def exchange(operands: Arrays) -> None:
        ranks = _split(operands, len(targets))
        for i in range(len(targets)):
            parts = [np.split(sent[i], size) for _, sent in ranks]
            for j, (received, _) in enumerate(ranks):
                received[i][...] = np.concatenate([row[j] for row in parts])

    return issue(what, group, targets, sources, _bytes(sources), exchange)


@collective
def collective_permute(
    srcs: Sequence[NkiTensor],
    dsts: Sequence[NkiTensor],
    source_target_pairs: Sequence[tuple[int, int]],
    priority: int | None = None,
    name: str | None = None,
) -> Instruction:
    """For each (source, target) the source's src goes to the target's dst; all ranks take part.

    A rank that is no target keeps its dst.
    """
    what, place = "collective_permute", current("collective_permute").place
    sources, targets = tensors(what, "srcs", srcs, 1), tensors(what, "dsts", dsts, 1)
    check_priority(what, priority)
    check_places(what, (*sources, *targets), 1, sbuf=False)
    _check_shapes(what, sources, targets, lambda shape: shape)
    pairs = _pairs(what, source_target_pairs, place.num_ranks)
    ranks = tuple(range(place.num_ranks))
    receives = any(target == place.rank for _, target in pairs)

    def exchange(operands: Arrays) -> None:
        sent = [arrays[-1].copy() for arrays in operands]
        for source, target in pairs:
            operands[target][0][...] = sent[source]

    return issue(
        what,
        ranks,
        targets if receives else (),
        sources,
        _bytes(sources),
        exchange,
        f"pairs {[list(p) for p in pairs]}",
    )


def _pairs(what: str, given: Any, num_ranks: int) -> tuple[tuple[int, int], ...]:
    try:
        pairs = tuple((int(source), int(target)) for source, target in given)
    except (TypeError, ValueError):
        raise refusal(f"{what} source_target_pairs", f"{given!r}", "pairs of ranks") from None
    for side, ranks in (("source", [p[0] for p in pairs]), ("target", [p[1] for p in pairs])):
        require(
            bool(ranks) and all(0 <= r < num_ranks for r in ranks),
            f"{what} source_target_pairs",
            f"{list(pairs)}",
            f"ranks 0..{num_ranks - 1}",
        )
        require(
            len(set(ranks)) == len(ranks),
            f"{what} source_target_pairs",
            f"a {side} twice",
            "each rank once",
        )
    return pairs
