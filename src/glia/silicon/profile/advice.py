"""What to try, ranked by what it would gain.

Each advice is a change that can be expressed on the traced program; the change is made, the program
is timed again with the same constants, and the difference is the gain. A change that gains less
than `WORTH` of the time is not shown.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from glia.chips import Silicon
from glia.core.kernel_records import Advice
from glia.core.units import format_quantity
from glia.isa.engines import engine
from glia.isa.stream import Instruction, Stream, Work
from glia.isa.target import Target
from glia.silicon.profile.invariants import hoisted
from glia.silicon.profile.lines import critical_path
from glia.silicon.profile.movement import place, repeated
from glia.silicon.profile.values import computed_again
from glia.silicon.profile.whatif import Variant, on_engine
from glia.silicon.time.timeline import Timeline
from glia.silicon.time.timing import Timing

WORTH = 0.01
GOOD_PIECE_BYTES = 2048  # recommended least contiguous run (nki-dma-bandwidth-guide.rst)
_MAX_CALLS_TO_MOVE = 20_000
_MAX_LINES_TO_MOVE = 3
_MAX_LINES = 5
_ISSUERS = (engine.sync, engine.scalar)  # trainium2_arch.rst: triggers of the hardware DGE
_COMPUTE = (engine.vector, engine.scalar, engine.gpsimd)


@dataclass(frozen=True, slots=True)
class Situation:
    """The program as compiled and its time, which every change is compared with."""

    variant: Variant
    timeline: Timeline
    timing: Timing
    target: Target
    silicon: Silicon

    @property
    def stream(self) -> Stream:
        """The program."""
        return self.variant.stream

    def advice(
        self, changed_s: float, title: str, detail: str, basis: str, lines: tuple[str, ...] = ()
    ) -> Advice:
        """An advice with its gain against the program as compiled."""
        whole = self.timeline.makespan_s
        gain = whole - changed_s
        return Advice(title, detail, gain, gain / whole if whole else 0.0, basis, lines)


def advise(situation: Situation) -> tuple[Advice, ...]:
    """Every change worth trying, the largest gain first."""
    found = [advice for rule in _RULES for advice in rule(situation)]
    worth = [advice for advice in found if advice.fraction >= WORTH]
    return tuple(sorted(worth, key=lambda advice: -advice.gain_s))


def reloads_removed(s: Situation) -> Iterator[Advice]:
    """Loads of what an earlier load already brought, left out."""
    again = repeated(s.stream)
    if not again:
        return
    made = s.stream.instructions
    num_bytes = sum(dma.hbm_read_bytes for i in again if (dma := made[i].work.dma) is not None)
    # Tiles that are used again must stay: what they take of a partition, beside today's peak.
    kept = sum(v.free_size * v.dtype.itemsize for i in {*again.values()} for v in made[i].writes)
    room = s.target.sbuf_bytes - s.stream.sbuf_peak_bytes
    fits = f"the tiles kept take {kept:,} bytes of a partition, {room:,} are free"
    yield s.advice(
        s.variant.without(again).seconds(s.timing),
        "load each tile once",
        f"{len(again)} loads bring {format_quantity(num_bytes, 'B')} that an earlier load had "
        "brought: keep the tile in SBUF, or put the loop that reuses it inside",
        f"{'re-timed' if kept <= room else 'bound: re-timed'} without the repeated loads; {fits}",
        _lines(made[i] for i in again),
    )


def results_kept(s: Situation) -> Iterator[Advice]:
    """Instructions whose result an earlier one has, left out."""
    again = computed_again(s.stream)
    if not again:
        return
    made = s.stream.instructions
    kept = {view.storage for i in {*again.values()} for view in made[i].writes}
    sizes = {
        memory: sum(storage.partition_bytes for storage in kept if storage.memory == memory)
        for memory in ("sbuf", "psum")
    }
    rooms = {
        "sbuf": s.target.sbuf_bytes - s.stream.sbuf_peak_bytes,
        "psum": s.target.psum_bytes - s.stream.psum_peak_banks * s.target.psum_bank_bytes,
    }
    fits = all(size <= rooms[memory] for memory, size in sizes.items())
    seconds: dict[str, float] = defaultdict(float)
    for i in again:
        seconds[place(made[i])] += s.timing.engine_s(made[i])
    lines = tuple(sorted(seconds, key=lambda line: -seconds[line])[:_MAX_LINES])
    yield s.advice(
        s.variant.without(again).seconds(s.timing),
        "keep what is computed again",
        f"{len(again)} instructions do what one before did to the same values (most of it "
        f"at {lines[0]}): keep its result, in front of the loop that does not change it",
        f"{'re-timed' if fits else 'bound: re-timed'} without them; the results kept take "
        + ", ".join(f"{n:,} of {rooms[m]:,} free bytes of {m}" for m, n in sizes.items() if n),
        lines,
    )


def larger_pieces(s: Situation) -> Iterator[Advice]:
    """Contiguous pieces of at least `GOOD_PIECE_BYTES`."""
    small = [
        one
        for one in s.stream.instructions
        if one.work.dma is not None and one.work.dma.element_bytes < GOOD_PIECE_BYTES
    ]
    if not small:
        return

    def change(one: Instruction) -> Work:
        dma = one.work.dma
        if dma is None or dma.element_bytes >= GOOD_PIECE_BYTES:
            return one.work
        pieces = max(1, -(-dma.num_bytes // GOOD_PIECE_BYTES))
        size = min(GOOD_PIECE_BYTES, dma.num_bytes)
        tile = min(dma.num_partitions, pieces)  # the same bytes, in fewer and longer rows
        larger = dataclasses.replace(
            dma, num_elements=pieces, element_bytes=size, num_partitions=tile
        )
        return dataclasses.replace(one.work, dma=larger)

    yield s.advice(
        s.variant.work(change).seconds(s.timing),
        "move longer contiguous runs",
        f"{len(small)} DMAs move pieces below {GOOD_PIECE_BYTES} bytes: make the last dim of what "
        "is moved longer, or lay the tensor out so that a partition's bytes are contiguous",
        f"re-timed with the same bytes in pieces of {GOOD_PIECE_BYTES}",
        _lines(small),
    )


def fewer_transfers(s: Situation) -> Iterator[Advice]:
    """DMAs that cost nothing to issue: the most that merging them can gain."""
    num = sum(one.work.dma is not None for one in s.stream.instructions)
    if num < 2:
        return
    free = dataclasses.replace(
        s.timing, issue_hardware_s=0.0, issue_software_s=0.0, issue_static_s=0.0
    )
    common = [one for one in s.stream.instructions if one.work.dma is not None]
    yield s.advice(
        s.variant.seconds(free),
        "issue fewer, larger DMAs",
        f"{num} DMAs pay their issue one after the other: move several tiles with one dma_copy, "
        "or issue them from several engines",
        "bound: re-timed with DMAs that cost nothing to issue",
        _lines(common),
    )


def more_queues(s: Situation) -> Iterator[Advice]:
    """DMAs dealt out evenly to the two engines that issue them by hardware."""
    moves = [one for one in s.stream.instructions if _may_move(one)]
    if len(moves) < 2 or not s.target.can.hwdge:
        return
    order = {one.index: _ISSUERS[i % len(_ISSUERS)] for i, one in enumerate(moves)}

    def change(one: Instruction) -> Work:
        if one.index not in order or one.work.dma is None:
            return one.work
        dealt = dataclasses.replace(one.work.dma, queue=order[one.index].name, static=False)
        return dataclasses.replace(one.work, dma=dealt)

    names = " and ".join(f"engine=nisa.engine.{e.name}" for e in _ISSUERS)
    yield s.advice(
        s.variant.work(change).seconds(s.timing),
        "issue DMAs from two engines in turn",
        f"one queue issues most of the {len(moves)} DMAs, in order: dge_mode=nisa.dge_mode.hwdge "
        f"and, in turn, {names}",
        f"re-timed with every other DMA on the queue of {_ISSUERS[1].name}",
        _lines(moves),
    )


def _may_move(one: Instruction) -> bool:
    dma = one.work.dma
    return dma is not None and not dma.software and one.sync is None


def grouped_tables(s: Situation) -> Iterator[Advice]:
    """One load of each activation table."""
    switches, current, seen = 0, "", set()
    for one in s.stream.instructions:
        if one.work.table and one.work.table != current:
            switches, current = switches + 1, one.work.table
            seen.add(current)
    if switches <= len(seen):
        return
    users = [one for one in s.stream.instructions if one.work.table]
    started: set[str] = set()

    def change(one: Instruction) -> Work:
        if not one.work.table or one.work.table not in started:
            started.add(one.work.table)
            return one.work
        return dataclasses.replace(one.work, table="")

    yield s.advice(
        s.variant.work(change).seconds(s.timing),
        "group activation functions",
        f"the Scalar engine switches its function table {switches} times for {len(seen)} tables: "
        "do all tiles with one function before the next",
        "re-timed with each table loaded once",
        _lines(users),
    )


def more_buffers(s: Situation) -> Iterator[Advice]:
    """Nothing waits for a buffer to become free."""
    yield s.advice(
        s.variant.without_reuse().seconds(s.timing),
        "double-buffer",
        "instructions wait until a buffer is free: give each iteration its own tile (allocate it "
        "inside the loop, or rotate explicit addresses)",
        "bound: re-timed with a buffer of its own for every tile",
    )


def reordered(s: Situation) -> Iterator[Advice]:
    """The order that data alone asks for, where waiting engines and not DMAs take the time."""
    parts = list(critical_path(s.stream, s.variant.deps, s.timeline))
    moving = sum(t for i, t in parts if s.stream.instructions[i].work.dma is not None)
    if moving > s.timeline.makespan_s / 2:
        return
    yield s.advice(
        s.timeline.dataflow_s,
        "start the next tile before this one ends",
        "engines wait for each other although other work is ready: issue the loads and the first "
        "instructions of tile i+1 before the last ones of tile i (the compiler's scheduler may do "
        "this for you)",
        "bound: the dataflow bound, where order and buffers are free",
    )


def fewer_instructions(s: Situation) -> Iterator[Advice]:
    """No fixed cost per instruction on the busiest engine."""
    compute = {k: v for k, v in s.timeline.busy_s.items() if k in engine.__members__}
    if not compute:
        return
    name = max(compute, key=compute.__getitem__)
    busiest = engine[name]
    fixed = s.timing.fixed_cycles.get(busiest, 0.0)
    made = [one for one in s.stream.instructions if one.engine is busiest and not one.work.dma]
    free = dataclasses.replace(
        s.timing, fixed_cycles={**s.timing.fixed_cycles, busiest: 0.0}
    )  # fmt: skip
    yield s.advice(
        s.variant.seconds(free),
        f"fewer, wider {busiest.name} instructions",
        f"{len(made)} instructions on the {busiest.name} engine pay {fixed:.0f} cycles each beside "
        "their elements: give each a longer free dim",
        f"bound: re-timed without the fixed cycles of the {busiest.name} engine",
        _lines(made),
    )


def wider_products(s: Situation) -> Iterator[Advice]:
    """Products that stream no fewer columns than the array needs to start the next one."""
    free = dataclasses.replace(s.timing, array_issue_s=0.0, array_load_s=0.0)
    narrow = [
        one
        for one in s.stream.instructions
        if one.engine is engine.tensor and free.engine_s(one) < s.timing.engine_s(one)
    ]
    if not narrow:
        return
    yield s.advice(
        s.variant.seconds(free),
        "stream more columns through each stationary tile",
        f"{len(narrow)} products are over before the array can start the next: make the moving "
        "side the longer one, and use a stationary tile for all of its columns",
        "bound: re-timed with each product as long as its own columns",
        _lines(narrow),
    )


def full_clock(s: Situation) -> Iterator[Advice]:
    """A Tensor engine that is never under half used for so long that it starts slow again."""
    timing, stream = s.timing, s.stream
    if timing.throttle_fraction >= 1:
        return
    slowed = [
        one
        for one in stream.instructions
        if one.engine is engine.tensor
        and s.timeline.ends_s[one.index] - s.timeline.starts_s[one.index]
        > timing.engine_s(one) * (1 + WORTH)
    ]
    if not slowed:
        return
    first_start = (1 - timing.throttle_fraction) * timing.throttle_ramp_s / 2
    full = s.variant.seconds(dataclasses.replace(timing, throttle_fraction=1.0))
    yield s.advice(
        full + first_start,
        "keep the Tensor engine busy",
        f"{len(slowed)} of its instructions run below full clock: after "
        f"{format_quantity(timing.throttle_ramp_s, 's')} less than half used it starts at "
        f"{timing.throttle_fraction:.0%} again. Load the next tiles, and empty PSUM, while it has "
        "products to do",
        "bound: re-timed at full clock but for one start, which no kernel avoids",
        _lines(slowed),
    )


def half_precision(s: Situation) -> Iterator[Advice]:
    """fp32 matrix products in one pass."""
    wide = [one for one in s.stream.instructions if one.work.flop_kind == "float32"]
    if not wide:
        return
    passes = s.silicon.tensor.fp32_passes.value

    def change(one: Instruction) -> Work:
        if one.work.flop_kind != "float32":
            return one.work
        return dataclasses.replace(
            one.work, cycles=one.work.cycles / passes, flop_kind="bfloat16"
        )  # fmt: skip

    yield s.advice(
        s.variant.work(change).seconds(s.timing),
        "multiply in bf16",
        f"{len(wide)} fp32 matrix instructions take {passes:.0f} passes each: bf16 operands take "
        "one (values change: products keep 8 bits of mantissa, sums stay fp32)",
        "re-timed with one pass per matrix instruction",
        _lines(wide),
    )


def other_engine(s: Situation) -> Iterator[Advice]:
    """The longest lines of the busiest elementwise engine, moved to another engine."""
    compute = {e: s.timeline.busy_s.get(e.name, 0.0) for e in _COMPUTE}
    busiest = max(compute, key=compute.__getitem__)
    if compute[busiest] < 0.25 * s.timeline.makespan_s or len(s.stream.calls) > _MAX_CALLS_TO_MOVE:
        return
    busy: dict[tuple[str, int], float] = defaultdict(float)
    ops: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    for one in s.stream.instructions:
        if one.engine is busiest and one.work.dma is None:
            key = (one.file, one.line)
            busy[key] += s.timeline.ends_s[one.index] - s.timeline.starts_s[one.index]
            ops[key][one.op] += 1
    for key in sorted(busy, key=lambda k: -busy[k])[:_MAX_LINES_TO_MOVE]:
        tried = [
            (Variant.of(hoisted(moved, s.target)).seconds(s.timing), other)
            for other in _COMPUTE
            if other is not busiest
            and (moved := on_engine(s.stream, {key}, other, s.target)) is not None
        ]
        if tried:
            seconds, other = min(tried, key=lambda pair: pair[0])
            where = f"{Path(key[0]).name}:{key[1]}"
            yield s.advice(
                seconds,
                f"move {next(iter(ops[key]))} of {where} to the {other.name} engine",
                f"the {busiest.name} engine is the busiest of those that can do it: "
                f"engine=nisa.engine.{other.name} (its rounding may differ)",
                "re-timed with the line's instructions issued again on that engine",
                (where,),
            )


_RULES: tuple[Callable[[Situation], Iterator[Advice]], ...] = (
    reloads_removed,
    results_kept,
    larger_pieces,
    fewer_transfers,
    more_queues,
    grouped_tables,
    more_buffers,
    reordered,
    fewer_instructions,
    wider_products,
    full_clock,
    half_precision,
    other_engine,
)


def _lines(
    made: Iterator[Instruction] | list[Instruction], limit: int = _MAX_LINES
) -> tuple[str, ...]:
    """Where instructions come from, the most frequent lines first."""
    counts = Counter(place(one) for one in made)
    return tuple(line for line, _ in counts.most_common(limit))
