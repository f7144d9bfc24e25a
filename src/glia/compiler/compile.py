"""The compiler's front door: passes, then lowering, then the HBM plan."""

from __future__ import annotations

from collections.abc import Callable

from glia.chips import load_chip
from glia.compiler.lowering import Lowering, check_supported
from glia.compiler.memory_plan import plan_memory
from glia.compiler.passes.open_composites import open_refused
from glia.compiler.pipeline import optimise
from glia.compiler.program import Compiled, Port, Program, chip_format
from glia.core.dtypes import dtype
from glia.core.errors import UnsupportedError, choose
from glia.core.units import format_quantity
from glia.graph.ir import Graph, Value
from glia.isa.target import target_of

PRECISIONS = ("bf16", "fp32")


def compile_graph(
    graph: Graph,
    chip: str,
    precision: str,
    num_sequences: int = 1,
    progress: Callable[[float], None] = lambda done: None,
) -> Compiled:
    """Compile for one core of `chip`.

    Raises:
        UnsupportedError: when an op, a dtype or the size does not fit the chip.
    """
    choose("precision", precision, PRECISIONS)
    target = target_of(chip)
    _check_weights(graph, target.chip, precision)
    optimised, notes = optimise(graph, precision)
    optimised = open_refused(optimised, target)
    check_supported(optimised, target)
    lowering = Lowering(optimised, target)
    inputs = [_input(lowering, new, old) for new, old in _pairs(optimised.inputs, graph.inputs)]
    for done, node in enumerate(optimised.nodes):
        lowering.lower(node)
        progress(done / len(optimised.nodes))
    outputs = [
        Port(old.name, old.type.shape, old.type.dtype.name, lowering.view(new))
        for new, old in _pairs(optimised.outputs, graph.outputs)
    ]
    kept = {port.view.buffer for port in outputs}
    values = {value.name: view for value, view in lowering.views.items()}
    buffers = plan_memory(lowering.buffers, lowering.launches, values, kept)
    program = Program(
        name=graph.name,
        chip=target.chip,
        precision=precision,
        buffers=buffers,
        weights=lowering.weights,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        launches=tuple(lowering.launches),
        streams=lowering.streams,
        sources=lowering.sources,
        values=values,
        notes=notes,
        num_sequences=num_sequences,
    )
    _check_capacity(program)
    return Compiled(program, optimised)


def _pairs(new: tuple[Value, ...], old: tuple[Value, ...]) -> list[tuple[Value, Value]]:
    return list(zip(new, old, strict=True))


def _input(lowering: Lowering, new: Value, old: Value) -> Port:
    view = lowering.input(new.name, chip_format(new.type.dtype), new.type.shape)
    lowering.views[new] = view
    return Port(old.name, old.type.shape, old.type.dtype.name, view)


def _check_weights(graph: Graph, chip: str, precision: str) -> None:
    """Refuse weights that can never fit, before any of them is converted or copied."""
    itemsize = dtype(precision).itemsize
    num_bytes = sum(
        value.type.num_elements * (itemsize if value.type.dtype.is_float else 1)
        for value in graph.constants
    )
    _check_bytes(graph.name, chip, num_bytes)


def _check_capacity(program: Program) -> None:
    _check_bytes(program.name, program.chip, program.hbm_bytes)
    if not program.launches:
        raise UnsupportedError(
            f"compiling {program.name}: got nothing to compute (empty inputs, or outputs that are "
            "only views of inputs and constants), expected at least one operation on data; pass "
            "other example inputs"
        )


def _check_bytes(name: str, chip: str, num_bytes: int) -> None:
    capacity = load_chip(chip).memory.capacity
    if capacity is not None and num_bytes > capacity.value:
        raise UnsupportedError(
            f"placing {name} in the HBM of {chip}: got {format_quantity(num_bytes, 'B')}, expected "
            f"at most {capacity}; use a smaller batch, --precision bf16, or a chip with more memory"
        )
