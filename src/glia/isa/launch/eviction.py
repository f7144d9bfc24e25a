"""Another order for kernels whose PSUM tiles do not fit in the order that they are written in.

The compiler schedules instructions and lays out memory (nki/get-started/nki-language-guide.rst,
compilation), so a kernel may make more accumulators than there are banks and read them all at its
end: what reads one moves up to where its data is ready, and its bank is free again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from glia.isa.stream import Instruction

_Key = tuple[int, int]
"""Where an instruction goes: after the one of this number, and there by its own."""

Edges = tuple[tuple[int, int], ...]

MOVED = (
    "allocating in psum: more tiles are live at once than there are banks; instructions that read "
    "them, from this one on, were moved up to where their data is ready, as the compiler may do. "
    "Read each tile before the next ones are filled to be sure of it"
)
"""The warning where another order was taken."""


def evicted_early(
    instructions: Sequence[Instruction], edges: Edges
) -> tuple[list[Instruction], Edges]:
    """The instructions with those that read PSUM as early as their operands allow, renumbered.

    `edges` are the (consumer, producer) pairs that the kernel asked for; they are kept.
    """
    keys = _keys(instructions, edges)
    order = sorted(range(len(instructions)), key=keys.__getitem__)
    numbers = {old: new for new, old in enumerate(order)}
    moved = [replace(instructions[old], index=new) for new, old in enumerate(order)]
    return moved, tuple(sorted((numbers[a], numbers[b]) for a, b in edges))


def _keys(instructions: Sequence[Instruction], edges: Edges) -> list[_Key]:
    producers: dict[int, list[int]] = {}
    for consumer, producer in edges:
        producers.setdefault(consumer, []).append(producer)
    keys: list[_Key] = []
    written: dict[int, _Key] = {}  # by storage: the last that wrote it, and that touched it
    touched: dict[int, _Key] = {}
    for made in instructions:
        reads = {v.storage.index for v in made.reads}
        writes = {v.storage.index for v in made.writes}
        key = (made.index, -1)
        if _evicts(made):
            after = [keys[p] for p in producers.get(made.index, ())]
            after += _found(written, reads) + _found(touched, writes)
            key = (max(after)[0], made.index)  # what was read was written before
        keys.append(key)
        for index in writes:
            written[index] = max(key, written.get(index, key))
        for index in reads | writes:
            touched[index] = max(key, touched.get(index, key))
    return keys


def _found(known: dict[int, _Key], wanted: Iterable[int]) -> list[_Key]:
    return [known[index] for index in wanted if index in known]


def _evicts(made: Instruction) -> bool:
    """It reads PSUM, and takes neither PSUM nor what other cores see.

    At addresses that the kernel chose the order is the kernel's: tensors may share bytes there.
    """
    storages = [v.storage for v in (*made.writes, *made.reads)]
    drains = any(v.storage.memory == "psum" for v in made.reads)
    fills = any(v.storage.memory == "psum" for v in made.writes)
    apart = all(s.memory != "hbm" and s.pinned is None for s in storages)
    return drains and not fills and apart and made.sync is None
