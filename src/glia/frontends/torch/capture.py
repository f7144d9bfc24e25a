"""Captures a PyTorch module as a tensor graph, with its inputs and PyTorch's own results.

Weights become constants under their torch names, without a copy; values keep the names that
torch.export gives them, so that each can be compared with `reference`. The module is not modified.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.fx
from torch.export import ExportedProgram
from torch.export.graph_signature import ConstantArgument, InputKind, OutputKind
from torch.utils import _pytree as pytree

from glia.core.errors import ModelError
from glia.core.records import Finding, ModelSummary
from glia.frontends.captured import Captured
from glia.frontends.findings import BlockedError
from glia.frontends.inputs import check_inputs, input_hash, num_sequences
from glia.frontends.torch.export import export
from glia.frontends.torch.reference import Reference
from glia.frontends.torch.tensors import to_numpy, to_torch, type_of
from glia.frontends.torch.translate import Translator, live_nodes, renamed
from glia.graph.builder import GraphBuilder
from glia.graph.ir import Graph, Value


def capture(
    module: torch.nn.Module,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    name: str = "model",
) -> Captured:
    """Capture `module(*args, **kwargs)` as it evaluates.

    Raises:
        ModelError: the module cannot run, or cannot be exported, or an input has a format that no
            chip takes.
        BlockedError: operations that have no translation, all of them at once.
    """
    kwargs = dict(kwargs or {})
    _check(name, module, args, kwargs)
    program = export(name, module, args, kwargs)
    return _translated(name, module, program, args, kwargs)


def capture_exported(
    name: str,
    module: torch.nn.Module,
    program: ExportedProgram,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Captured:
    """As `capture`, of a module that `export` has exported already."""
    _check(name, module, args, kwargs)
    return _translated(name, module, program, args, kwargs)


def _check(
    name: str, module: torch.nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> None:
    _check_module(name, module)
    check_inputs(name, _named_tensors(args, kwargs))


def _translated(
    name: str,
    module: torch.nn.Module,
    program: ExportedProgram,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> Captured:
    bindings = _bindings(program, args, kwargs)
    return _captured(name, program, bindings, _findings(module, program))


def _captured(
    name: str, program: ExportedProgram, bindings: Mapping[str, Any], findings: list[Finding]
) -> Captured:
    builder = GraphBuilder(name)
    translator = Translator(builder)
    inputs = _bind(translator, program, bindings)
    translator.run(program.graph)
    findings = findings + translator.findings
    if any(f.severity == "blocks" for f in findings):
        raise BlockedError(name, [f for f in findings if f.severity == "blocks"])
    results = [translator.value(node) for node in _user_outputs(program)]
    graph = renamed(builder.finish(results), translator.names)
    return Captured(
        name,
        graph,
        inputs,
        Reference(program, bindings),
        _output_paths(program),
        Rebuild(program),
        tuple(findings),
        _summary(graph, program, inputs),
    )


def _check_module(name: str, module: Any) -> None:
    if not isinstance(module, torch.nn.Module) or isinstance(module, torch.jit.ScriptModule):
        raise ModelError(
            f"capturing {name}: got {type(module).__name__}, expected a torch.nn.Module; pass the "
            "module itself, before any scripting or compiling"
        )
    for path, tensor in (*module.named_parameters(), *module.named_buffers()):
        problem = _weight_problem(tensor)
        if problem:
            raise ModelError(f"capturing {name}: {path}: {problem}")


def _weight_problem(tensor: torch.Tensor) -> str:
    if tensor.device.type == "meta":
        return "got a weight without values (device meta), expected values; load the weights first"
    if tensor.device.type != "cpu":
        return f"got a weight on {tensor.device}, expected cpu; call model.cpu() first"
    if tensor.layout != torch.strided or tensor.is_quantized:
        return "got a sparse or quantised weight, expected a dense one; convert it first"
    if isinstance(tensor, torch.nn.Parameter) and tensor.dtype in (torch.float64, torch.complex128):
        return f"got {tensor.dtype}, which the chips lack, expected float32; call model.float()"
    return ""


def _named_tensors(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    flat, _ = pytree.tree_flatten_with_path((tuple(args), dict(kwargs)))
    return {
        "input" + pytree.keystr(path[1:]): to_numpy(leaf)
        for path, leaf in flat
        if isinstance(leaf, torch.Tensor)
    }


def _bindings(
    program: ExportedProgram, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> dict[str, Any]:
    """What each placeholder of the program stands for: a weight, a buffer, an input."""
    flat = iter(program._get_flat_args_with_check(tuple(args), dict(kwargs))[0])
    found: dict[str, Any] = {}
    for spec in program.graph_signature.input_specs:
        key = spec.arg.name
        if spec.kind == InputKind.USER_INPUT:
            found[key] = next(flat)
        else:
            assert spec.target is not None
            state = program.state_dict
            found[key] = (
                state[spec.target] if spec.target in state else program.constants[spec.target]
            )
    return found


def _bind(
    translator: Translator, program: ExportedProgram, bindings: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Declare inputs and constants to the translator; returns the example inputs by name."""
    inputs: dict[str, np.ndarray] = {}
    nodes = {n.name: n for n in program.graph.find_nodes(op="placeholder")}
    weights: dict[str, Value] = {}
    first_names = {_storage(t): name for name, t in reversed(_parameters(program).items())}
    live = live_nodes(program.graph)
    for spec in program.graph_signature.input_specs:
        node, bound = nodes[spec.arg.name], bindings[spec.arg.name]
        if not isinstance(bound, torch.Tensor):
            translator.set(node, bound)
        elif spec.kind == InputKind.USER_INPUT:
            translator.set(node, translator.builder.input(node.name, type_of(bound)))
            inputs[node.name] = to_numpy(bound)
        elif node not in live:
            continue
        elif spec.kind == InputKind.PARAMETER:
            name = first_names[_storage(bound)]
            if name not in weights:
                weights[name] = translator.shelf.add(_free(name, program), to_numpy(bound))
            translator.set(node, weights[name])
        else:
            translator.set_known(node, bound, _free(str(spec.target), program))
    return inputs


def _storage(tensor: torch.Tensor) -> tuple[Any, ...]:
    """Equal for parameters that are one and the same memory."""
    place = tensor.data_ptr() if tensor.numel() else id(tensor)
    return place, tensor.shape, tensor.stride(), tensor.dtype


def _free(name: str, program: ExportedProgram) -> str:
    """A weight's name that is not also the name of a value that PyTorch computes."""
    is_taken = any(node.name == name for node in program.graph.nodes)
    return f"{name}.parameter" if is_taken else name


def _parameters(program: ExportedProgram) -> dict[str, torch.Tensor]:
    state = program.state_dict
    return {name: t for name, t in state.items() if isinstance(t, torch.nn.Parameter)}


def _user_outputs(program: ExportedProgram) -> list[torch.fx.Node]:
    """The fx nodes of the tensors that the module returns, in order."""
    (results,) = program.graph.output_node().args
    assert isinstance(results, list | tuple)
    specs = program.graph_signature.output_specs
    pairs = zip(results, specs, strict=True)
    return [
        r for r, s in pairs if s.kind == OutputKind.USER_OUTPUT and isinstance(r, torch.fx.Node)
    ]


def _output_leaves(program: ExportedProgram) -> list[Any]:
    specs = program.graph_signature.output_specs
    return [s.arg for s in specs if s.kind == OutputKind.USER_OUTPUT]


def _output_paths(program: ExportedProgram) -> tuple[str, ...]:
    """E.g. `.last_hidden_state`, `[0]`: where each tensor stands in what the module returns."""
    leaves = _output_leaves(program)
    tree = pytree.tree_unflatten(leaves, program.call_spec.out_spec)
    paths, _ = pytree.tree_flatten_with_path(tree)
    return tuple(
        pytree.keystr(path).strip(".") or "output"
        for (path, _), leaf in zip(paths, leaves, strict=True)
        if not isinstance(leaf, ConstantArgument)
    )


class Rebuild:
    """Puts arrays, in the order of the graph's outputs, into the structure the module returns."""

    def __init__(self, program: ExportedProgram) -> None:
        self._leaves = _output_leaves(program)
        self._spec = program.call_spec.out_spec

    def __call__(self, arrays: Sequence[np.ndarray]) -> Any:
        """The structure with tensors in it."""
        rest = iter(arrays)
        leaves = [
            leaf.value if isinstance(leaf, ConstantArgument) else to_torch(next(rest))
            for leaf in self._leaves
        ]
        return pytree.tree_unflatten(leaves, self._spec)


def _findings(module: torch.nn.Module, program: ExportedProgram) -> list[Finding]:
    """What the user should know about the capture although nothing stands in the way."""
    found = []
    if any(m.training for m in module.modules()):
        what = "the module is in training mode; it was captured as it evaluates"
        found.append(Finding("training-mode", "note", what, "call .eval() to make this explicit"))
    for buffer in program.graph_signature.buffers_to_mutate.values():
        what = f"forward writes the buffer {buffer}; the port keeps no state between calls"
        do = "return the new value from forward if it is needed"
        found.append(Finding("buffer-written", "warns", what, do))
    return found


def _summary(
    graph: Graph, program: ExportedProgram, inputs: Mapping[str, np.ndarray]
) -> ModelSummary:
    names = {_free(name, program) for name in _parameters(program)}
    weights = [v.type for v in graph.constants if v.name in names]
    return ModelSummary(
        graph.name,
        sum(t.num_elements for t in weights),
        sum(t.num_bytes for t in weights),
        len(graph.nodes),
        tuple(f"{v.name}: {v.type}" for v in graph.inputs),
        tuple(f"{v.name}: {v.type}" for v in graph.outputs),
        dict(sorted(Counter(n.op for n in graph.nodes).items())),
        num_sequences(v.type.shape for v in graph.inputs),
        input_hash(inputs),
    )
