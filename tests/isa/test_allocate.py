"""The allocator: whatever the live ranges, no two storages that live together share a byte."""

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glia.core.dtypes import dtype
from glia.core.errors import KernelError
from glia.isa.engines import engine
from glia.isa.launch.allocate import allocate, live_ranges
from glia.isa.stream import Instruction, Work
from glia.isa.target import target_of
from glia.isa.tensors.tensor import NkiTensor, Storage

TARGET = target_of("trn2")
LIMIT = {"sbuf": TARGET.sbuf_bytes, "psum": TARGET.psum_bytes}

# memory, bytes per partition, first use, number of instructions it lives for, bank if pinned
storages = st.lists(
    st.tuples(
        st.sampled_from(["sbuf", "psum"]),
        st.integers(1, 60_000),
        st.integers(0, 30),
        st.integers(0, 12),
        st.one_of(st.none(), st.none(), st.integers(0, 7)),
    ),
    min_size=1,
    max_size=40,
)


def build(rows):
    """Storages, and instructions that touch each at its first and last index."""
    made = []
    for i, (memory, size, _, _, *bank) in enumerate(rows):
        size = min(size, LIMIT[memory])
        pinned = None
        if bank and bank[0] is not None:
            pinned = (0, bank[0] * TARGET.psum_bank_bytes)
            size = min(size, LIMIT[memory] - pinned[1])
        made.append(Storage(i, f"s{i}", memory, (128, size), dtype("uint8"), pinned=pinned))
    touched: dict[int, list[Storage]] = {}
    for storage, (_, _, first, length, *_) in zip(made, rows, strict=True):
        touched.setdefault(first, []).append(storage)
        touched.setdefault(first + length, []).append(storage)
    instructions = [
        Instruction(
            index,
            "touch",
            engine.vector,
            tuple(NkiTensor.whole(s) for s in touched.get(index, ())),
            (),
            Work(),
            lambda *_: None,
            0,
            "",
        )
        for index in range(max(touched) + 1)
    ]
    return made, instructions


@given(storages)
@settings(deadline=None, max_examples=50)
def test_no_two_live_storages_overlap(rows):
    made, instructions = build(rows)
    try:
        sbuf_peak, psum_banks = allocate(made, instructions, TARGET)
    except KernelError as error:
        assert "live ones" in str(error)
        return
    ranges = live_ranges(instructions)
    for storage in made:
        top = storage.address + storage.partition_bytes
        assert storage.address >= 0 and top <= LIMIT[storage.memory]
        assert storage.pinned is None or storage.address == storage.pinned[1]
        if storage.memory == "psum":
            assert storage.address % TARGET.psum_bank_bytes == 0
    for one, other in combinations(made, 2):
        (a, b), (c, d) = ranges[one.index], ranges[other.index]
        both_pinned = one.pinned is not None and other.pinned is not None
        if one.memory == other.memory and a <= d and c <= b and not both_pinned:
            assert (
                one.address + one.partition_bytes <= other.address
                or other.address + other.partition_bytes <= one.address
            )
    assert 0 <= sbuf_peak <= TARGET.sbuf_bytes and 0 <= psum_banks <= TARGET.psum_banks


def test_what_lives_at_once_must_fit():
    half = TARGET.sbuf_bytes // 2 + 64
    made, instructions = build([("sbuf", half, 0, 5), ("sbuf", half, 3, 5)])
    with pytest.raises(KernelError, match=r"on top of \d+ live ones .* use smaller tiles"):
        allocate(made, instructions, TARGET)


def test_what_lives_one_after_the_other_shares():
    half = TARGET.sbuf_bytes // 2 + 64
    made, instructions = build([("sbuf", half, 0, 2), ("sbuf", half, 3, 5)])
    allocate(made, instructions, TARGET)
    assert made[0].address == made[1].address


def test_small_pieces_do_not_keep_out_a_large_one():
    """Rotation alone scatters the small ones; then packing by size finds the room."""
    small = [("sbuf", 20_000, i, 9 - i) for i in range(8)]
    made, instructions = build([*small, ("sbuf", TARGET.sbuf_bytes - 20_064, 12, 2)])
    allocate(made, instructions, TARGET)


def test_a_pin_at_the_top_leaves_what_is_below_it_free():
    top = LIMIT["psum"] - TARGET.psum_bank_bytes
    made, instructions = build(
        [("psum", 2048, 0, 9, 7)] + [("psum", 2048, i, 9 - i) for i in range(7)]
    )
    _, banks = allocate(made, instructions, TARGET)
    assert banks == 8 and made[0].address == top
    assert {s.address for s in made[1:]} == {i * 2048 for i in range(7)}


def test_a_pinned_bank_is_free_again_once_its_tensor_is_dead():
    made, instructions = build([("psum", 2048, 0, 1, 3)] + [("psum", 2048, 2, 9) for _ in range(8)])
    allocate(made, instructions, TARGET)
    assert {s.address for s in made[1:]} == {i * 2048 for i in range(8)}


def test_tensors_of_two_banks_rotate():
    """Each takes the pair of banks that was released longest ago, so that three overlap."""
    made, instructions = build([("psum", 4096, 2 * i, 1) for i in range(8)])
    allocate(made, instructions, TARGET)
    assert [s.address // 4096 for s in made] == [0, 1, 2, 3, 0, 1, 2, 3]


def test_singles_and_pairs_rotate():
    """Singles and pairs in turn go round all eight banks."""
    rows = []
    for i in range(12):
        rows.append(("psum", 4096 if i % 3 == 2 else 2048, 2 * i, 1))
    made, instructions = build(rows)
    allocate(made, instructions, TARGET)
    pairs = [s.address for s in made if s.partition_bytes == 4096]
    assert pairs == [4096, 12288, 4096, 12288]


def test_many_small_pieces_stay_fast_and_sound():
    """More free pieces than are kept apart are joined, oldest first; nothing is lost."""
    rows = [("sbuf", 32 + 32 * (i % 3), i, 300 - i) for i in range(300)]
    rows.append(("sbuf", TARGET.sbuf_bytes - 64, 302, 1))
    made, instructions = build(rows)
    allocate(made, instructions, TARGET)
    assert made[-1].address == 0
