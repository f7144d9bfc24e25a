"""Regions against the bytes that views really touch."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

import glia.nki.isa as nisa
from glia.core.dtypes import dtype
from glia.isa.launch.builder import StreamBuilder, tracing
from glia.isa.target import target_of
from glia.isa.tensors.storage import Storage
from glia.isa.tensors.tensor import NkiTensor
from glia.silicon.hazards import dependences
from glia.silicon.regions import covers, overlap, region

ROWS, COLUMNS = 8, 48
dims = st.lists(st.tuples(st.integers(1, 6), st.integers(-9, 9)), min_size=1, max_size=3)
views = st.tuples(st.integers(0, ROWS - 1), st.integers(1, ROWS), st.integers(0, COLUMNS - 1), dims)


def place(memory: str) -> Storage:
    shape = (ROWS, COLUMNS)
    return Storage(0, "x", memory, shape, dtype("bf16"), address=64 if memory == "sbuf" else -1)


def view_of(storage: Storage, drawn):
    """A view from what hypothesis drew, or None where it leaves the storage."""
    row, rows, start, free = drawn
    rows = min(rows, ROWS - row)
    low = start + sum((n - 1) * s for n, s in free if s < 0)
    high = start + sum((n - 1) * s for n, s in free if s > 0)
    if low < 0 or high >= COLUMNS:
        return None
    shape = (rows, *(n for n, _ in free))
    whole = NkiTensor.whole(storage)
    if storage.on_chip:
        return whole.replaced(shape, (1, *(s for _, s in free)), start, row)
    return whole.replaced(shape, (COLUMNS, *(s for _, s in free)), row * COLUMNS + start)


def touched(view) -> set[int]:
    memory = np.zeros((128, 512) if view.on_chip else ROWS * COLUMNS * 2, np.uint8)
    view.bind(memory).view(np.uint16)[...] = 0xFFFF
    return set(np.flatnonzero(memory.reshape(-1)).tolist())


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(["sbuf", "hbm"]), views, views)
@example("sbuf", (0, 8, 0, [(6, 8)]), (0, 8, 4, [(6, 8)]))
def test_regions_never_miss_a_common_byte(memory, one, other):
    storage = place(memory)
    a, b = view_of(storage, one), view_of(storage, other)
    if a is None or b is None:
        return
    ours, theirs = touched(a), touched(b)
    if not overlap(region(a), region(b)):
        assert not ours & theirs
    assert overlap(region(a), region(b)) == overlap(region(b), region(a))
    if covers(region(a), region(b)):
        assert overlap(region(a), region(b))  # whoever is dropped was waited for


def test_interleaved_views_are_apart():
    storage = place("sbuf")
    even = view_of(storage, (0, 8, 0, [(24, 2)]))
    odd = view_of(storage, (0, 8, 1, [(24, 2)]))
    pairs = view_of(storage, (0, 8, 2, [(12, 4), (2, 1)]))
    assert not overlap(region(even), region(odd))
    assert overlap(region(even), region(pairs)) and overlap(region(odd), region(pairs))


def test_tensors_that_take_turns_at_one_address_wait_for_each_other():
    """A, B, A at the same bytes: the second write of A follows B, not only the first A."""
    builder = StreamBuilder("turns", target_of("trn2"))
    with tracing(builder):
        kind, shape = dtype("fp32"), (128, 64)
        out = builder.storage((3 * 128, 64), kind, "hbm", "out")
        a = builder.storage(shape, kind, "sbuf", "a", pinned=(0, 0))
        b = builder.storage(shape, kind, "sbuf", "b", pinned=(0, 0))
        made = []
        for turn, tile in enumerate((a, b, a)):
            made.append(nisa.memset(tile, float(turn)))
            made.append(nisa.dma_copy(out[turn * 128 : (turn + 1) * 128], tile))
    builder.mark_output(out)
    deps = dependences(builder.finish([]))
    for turn in (1, 2):
        earlier = {made[2 * turn - 2].index, made[2 * turn - 1].index}
        assert earlier <= {*deps.after[made[2 * turn].index], *deps.needs[made[2 * turn].index]}
