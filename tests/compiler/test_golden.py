"""Predicted cycles of a small random encoder and of the demo, bit-identical from run to run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from glia.chips import load_chip
from glia.compiler import Program, compile_graph
from glia.devices.predict import predict
from glia.frontends.load import load_model
from glia.frontends.torch.capture import capture
from glia.silicon import Timing, schedule
from port.models import bert


def cycles(program: Program) -> str:
    """One line per stream: instructions, sum of engine cycles, makespan as written."""
    silicon = load_chip(program.chip).silicon
    assert silicon is not None
    timing = Timing.of(silicon, "likely")
    lines = []
    for name, stream in program.streams.items():
        total = sum(made.work.cycles for made in stream.instructions)
        made = schedule(stream, timing)
        lines.append(f"{name} {len(stream.instructions)} {total!r} {made.makespan_s!r}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("chip", ["inf2", "trn2"])
def test_cycles_of_a_small_encoder(chip: str, precision: str, golden: Callable[[str, str], None]):
    graph = bert(batch=2, length=33, layers=2).graph
    text = cycles(compile_graph(graph, chip, precision, 2).program)
    assert text == cycles(compile_graph(graph, chip, precision, 2).program)
    golden(f"cycles/encoder-{chip}-{precision}.txt", text)


def demo_graph():
    found = load_model("examples/minilm.py:encoder")
    return capture(found.module, found.args, found.kwargs, found.name).graph


@pytest.mark.parametrize("chip", ["inf2", "trn2"])
def test_cycles_of_the_demo(chip: str, golden: Callable[[str, str], None]):
    """The demo as `make demo` runs it: every stream, and the program as one sequence."""
    program = compile_graph(demo_graph(), chip, "bf16", 8).program
    total = predict(program)
    latency = total.latency
    lines = [
        f"program {len(program.launches)} launches {program.num_instructions} instructions "
        f"{latency.low!r} {latency.likely!r} {latency.high!r}",
    ]
    golden(f"cycles/demo-{chip}.txt", "\n".join(lines) + "\n" + cycles(program))
    assert predict(program) == total
