"""Everything that a CPU can tell about a model: what a call does, and what captures make of it.

Nothing stops at the first obstacle: where no graph can be captured, the operations are those of a
call that was watched.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

import torch
import torch._dynamo
import torch.fx
from torch.export import ExportedProgram

from glia.core.errors import GliaError, ModelError, UnsupportedError
from glia.core.records import Finding
from glia.frontends.captured import Captured
from glia.frontends.findings import BlockedError
from glia.frontends.operations import Break, Observation, Operation
from glia.frontends.torch.breaks import Cuts, cuts
from glia.frontends.torch.capture import capture_exported
from glia.frontends.torch.decompose import opened_by_dispatch
from glia.frontends.torch.export import evaluating, export, first_line, unprinted
from glia.frontends.torch.observe import observe, operation_of
from glia.frontends.torch.sources import source_of, source_of_error
from glia.frontends.torch.translate import live_nodes


@dataclass(frozen=True, slots=True)
class Study:
    """What was learnt. `operations` are those of the exported graph, else those that were seen.

    `failure` is why there is no exported graph, `cuts` what torch.compile makes of the model,
    `captured` glia's own graph, else `blocked` what stands in its way. `parts` are what PyTorch
    calls for an exported operation, by name, where that is others.
    """

    observation: Observation
    operations: tuple[Operation, ...]
    failure: Break | None
    cuts: Cuts
    captured: Captured | None
    blocked: tuple[Finding, ...]
    refused: str = ""
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def study(
    name: str, module: torch.nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Study:
    """Run the module, export it, and let glia translate it; it is left as it was.

    Raises:
        ModelError: for a scripted module.
        IndexError, RuntimeError, ...: what the module itself raises on its example inputs.
    """
    if isinstance(module, torch.jit.ScriptModule):
        raise ModelError(
            f"reading {name}: got a scripted module, expected a torch.nn.Module; pass the module "
            "itself, before any scripting"
        )
    with evaluating(module), _silent():
        seen = _seen(module, args, kwargs)
        program, failure = _exported(name, module, args, kwargs)
        with unprinted():
            pieces = cuts(module, args, kwargs)
    operations = tuple(operations_of(program)) if program is not None else seen.operations
    captured, blocked, refused = _translated(name, module, program, args, kwargs)
    parts = parts_of(program) if program is not None else {}
    return Study(seen, operations, failure, pieces, captured, blocked, refused, parts)


def _seen(module: torch.nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Observation:
    """What a watched call shows; nothing where the watching itself is what the module minds."""
    try:
        return observe(module, args, kwargs)
    except Exception:
        torch._dynamo.reset()  # what a compiler of functions learnt under watch does not hold
        with torch.no_grad():
            module(*args, **dict(kwargs))  # raises what the module itself raises
        return Observation((), (), is_watched=False)


@contextmanager
def _silent() -> Iterator[None]:
    """Inside, neither the model nor the libraries print or warn: it is run several times."""
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _counted(number: int) -> str:
    words = "1 operation has" if number == 1 else f"{number} operations have"
    return f"{words} no translation"


def _exported(
    name: str, module: torch.nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[ExportedProgram | None, Break | None]:
    try:
        return export(name, module, args, kwargs), None
    except ModelError as error:
        cause = error.__cause__ or error
        text = first_line(cause).partition(" (unhinted")[0]
        return None, Break(f"{type(cause).__name__}: {text}", source_of_error(cause))


def _translated(
    name: str,
    module: torch.nn.Module,
    program: ExportedProgram | None,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> tuple[Captured | None, tuple[Finding, ...], str]:
    if program is None:
        return None, (), "there is no graph to translate"
    try:
        return capture_exported(name, module, program, args, kwargs), (), ""
    except BlockedError as error:
        return None, error.findings, _counted(len(error.findings))
    except (GliaError, UnsupportedError) as error:
        return None, (), str(error)
    except Exception as error:  # PyTorch took the model, so this is the translation's own limit
        return None, (), f"{type(error).__name__}: {first_line(error)}"


def operations_of(program: ExportedProgram) -> list[Operation]:
    """The operations of an exported graph on which its outputs depend, and those that check.

    Those inside a cast, a stretch without gradients, a branch or a loop count as well.
    """
    return list(_operations_in(program.graph_module))


def _operations_in(module: torch.fx.GraphModule) -> Iterator[Operation]:
    live = live_nodes(module.graph)
    for node in module.graph.nodes:
        if node.op != "call_function" or node not in live:
            continue
        operation = _operation(node)
        if operation is not None and not operation.name.startswith("wrap_with_"):
            yield operation
        if isinstance(node.target, torch._ops.HigherOrderOperator):
            for given in node.all_input_nodes:
                inner = getattr(module, str(given.target), None) if given.op == "get_attr" else None
                if isinstance(inner, torch.fx.GraphModule):
                    yield from _operations_in(inner)


def parts_of(program: ExportedProgram) -> dict[str, tuple[str, ...]]:
    """Of each composite operation the operations that its first call comes to: of linear addmm."""
    found: dict[str, tuple[str, ...]] = {}
    modules = program.graph_module.modules()
    graphs = [module.graph for module in modules if isinstance(module, torch.fx.GraphModule)]
    for node in (node for graph in graphs for node in graph.nodes):
        target = node.target
        is_composite = isinstance(target, torch._ops.OpOverload) and target._can_decompose()
        if not is_composite or str(target) in found:
            continue
        opened = opened_by_dispatch(node)
        if opened:
            found[str(target)] = opened
    return found


def _operation(node: torch.fx.Node) -> Operation | None:
    target: Any = node.target
    source = source_of(node)
    if isinstance(target, torch._ops.OpOverload):
        args, kwargs = torch.fx.node.map_arg((node.args, node.kwargs), _value)
        return operation_of(target, args, kwargs, node.meta.get("val"), source)
    if isinstance(target, torch._ops.HigherOrderOperator):
        return Operation("higher_order", target.name(), "", {}, (), source)
    return None


def _value(node: torch.fx.Node) -> Any:
    return node.meta.get("val")
