"""The HBM plan: buffers that live at the same time never overlap, whatever the launches are."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from glia.compiler.memory_plan import plan_memory
from glia.compiler.program import Buffer, Launch
from glia.compiler.view import dense_view

KINDS = ("input", "weight", "activation")
VIEW = dense_view("b0", "float32", (1,))


@st.composite
def programs(draw: st.DrawFn) -> tuple[dict[str, Buffer], list[Launch], set[str]]:
    sizes = draw(st.lists(st.integers(1, 5000), min_size=1, max_size=14))
    kinds = [draw(st.sampled_from(KINDS)) for _ in sizes]
    buffers = {
        f"b{i}": Buffer(f"b{i}", kind, size)
        for i, (kind, size) in enumerate(zip(kinds, sizes, strict=True))
    }
    names = st.sampled_from(sorted(buffers))
    some = st.lists(names, min_size=1, max_size=4)
    touched = draw(st.lists(st.tuples(some, st.lists(names, max_size=2)), max_size=12))
    return buffers, [_launch(*one) for one in touched], set(draw(st.lists(names, max_size=3)))


def _launch(names: list[str], reads: list[str] | None = None) -> Launch:
    places = tuple((n, 0) for n in names)
    return Launch("k", "k-0", places, "v", VIEW, "op", "", 1, tuple(reads or ()))


def _plan(buffers: dict[str, Buffer], launches: list[Launch], kept: set[str]) -> dict[str, Buffer]:
    """Every buffer holds the value of its own name."""
    values = {name: dense_view(name, "float32", (1,)) for name in buffers}
    return plan_memory(buffers, launches, values, kept)


def _lives(name: str, buffer: Buffer, kept: set[str], launches: list[Launch]) -> set[int]:
    """The launches during which the buffer's bytes must stay; all of them when it is not shared."""
    needing = [i for i, one in enumerate(launches) if name in (*dict(one.places), *one.reads)]
    if buffer.kind != "activation" or name in kept or not needing:
        return set(range(-1, len(launches) + 1))
    return set(range(needing[0], needing[-1] + 1))


@given(programs())
@settings(deadline=None, max_examples=50)
def test_no_two_live_buffers_overlap(case: tuple[dict[str, Buffer], list[Launch], set[str]]):
    buffers, launches, kept = case
    plan = _plan(buffers, launches, kept)
    assert plan.keys() == buffers.keys()
    for one, other in combinations(plan.values(), 2):
        apart = (
            one.offset + one.num_bytes <= other.offset
            or other.offset + other.num_bytes <= one.offset
        )
        together = _lives(one.name, buffers[one.name], kept, launches) & _lives(
            other.name, buffers[other.name], kept, launches
        )
        assert apart or not together, (one, other)


@given(programs())
@settings(deadline=None, max_examples=50)
def test_buffers_keep_their_size_and_are_aligned(
    case: tuple[dict[str, Buffer], list[Launch], set[str]],
):
    buffers, launches, kept = case
    plan = _plan(buffers, launches, kept)
    for name, buffer in plan.items():
        assert buffer.offset % 64 == 0
        assert (buffer.name, buffer.num_bytes) == (name, buffers[name].num_bytes)
    assert plan == _plan(buffers, launches, kept)


def test_a_chain_of_layers_needs_two_places():
    """Each layer reads the one before it: memory does not grow with depth."""
    buffers = {f"x{i}": Buffer(f"x{i}", "activation", 640) for i in range(50)}
    launches = [_launch([f"x{i}", f"x{i + 1}"]) for i in range(49)]
    plan = _plan(buffers, launches, set())
    assert max(b.offset + b.num_bytes for b in plan.values()) == 2 * 640
