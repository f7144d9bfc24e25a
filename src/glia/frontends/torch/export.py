"""Runs torch.export on a module as it evaluates, leaving the module exactly as it was.

Whatever goes wrong becomes a ModelError of one sentence with the user's line and what to do.
"""

from __future__ import annotations

import io
import logging
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from traceback import StackSummary
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.fx.proxy import TracerBase

from glia.core.errors import ModelError
from glia.frontends.torch.sources import is_outside, source_of_error

_LOGGERS = (
    "torch.export",
    "torch._export",
    "torch.fx.experimental",
    "torch._dynamo",
    "torch._subclasses",
)
_TABLES = ("_parameters", "_buffers", "_modules")


def export(
    name: str, module: torch.nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> ExportedProgram:
    """The module as a functional ATen graph with composites kept whole.

    Raises:
        ModelError: when the module cannot run, or cannot be exported.
    """
    with evaluating(module), quiet(), torch.no_grad():
        try:
            with unprinted(), whole_stacks():
                program = torch.export.export(module, tuple(args), dict(kwargs), strict=False)
            return _functional(program)
        except Exception as error:
            _check_runs(name, module, args, kwargs)
            raise export_error(name, error) from error


@contextmanager
def evaluating(module: torch.nn.Module) -> Iterator[None]:
    """Inside, every submodule is in evaluation mode; afterwards each attribute is what it was."""
    saved = [(m, dict(vars(m)), {t: dict(vars(m)[t]) for t in _TABLES}) for m in module.modules()]
    try:
        for submodule, _, _ in saved:
            submodule.training = False
        yield
    finally:
        for submodule, attributes, tables in saved:
            vars(submodule).clear()
            vars(submodule).update(attributes)
            for table, entries in tables.items():
                attributes[table].clear()
                attributes[table].update(entries)


@contextmanager
def quiet() -> Iterator[None]:
    """Inside, the libraries' own notices about themselves are not the user's concern."""
    with warnings.catch_warnings():
        for category in (FutureWarning, DeprecationWarning, PendingDeprecationWarning):
            warnings.filterwarnings("ignore", category=category)
        for module in (r"torch\.", r"transformers\.", "copyreg"):
            warnings.filterwarnings("ignore", category=UserWarning, module=module)
        yield


@contextmanager
def whole_stacks() -> Iterator[None]:
    """Inside, nodes remember the lines of helper functions too, not of `forward` methods only."""
    tracer: Any = TracerBase
    original = tracer._filter_traceback_frames

    def from_first_forward(_: TracerBase, stack: StackSummary) -> StackSummary:
        frames = list(stack)
        start = next((i for i, f in enumerate(frames) if f.name == "forward"), len(frames))
        return StackSummary.from_list([f for f in frames[start:] if is_outside(f.filename)])

    tracer._filter_traceback_frames = from_first_forward
    try:
        yield
    finally:
        tracer._filter_traceback_frames = original


@contextmanager
def unprinted() -> Iterator[None]:
    """Inside, a failing torch.export does not print its half-made graph; what matters is raised."""
    printed = io.StringIO()
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with redirect_stderr(printed):
            yield
        sys.stderr.write(printed.getvalue())
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _functional(program: ExportedProgram) -> ExportedProgram:
    """The same program without in-place operations."""
    if any(_mutates(node) for node in program.graph.nodes):
        return program.run_decompositions({})
    return program


def _mutates(node: torch.fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable


def _check_runs(
    name: str, module: torch.nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> None:
    """Raise when the module fails on its inputs without glia as well."""
    try:
        module(*args, **kwargs)
    except Exception as error:
        where = source_of_error(error)
        raise ModelError(
            f"running {name} on its example inputs: got {type(error).__name__}: "
            f"{first_line(error)}{f' at {where}' if where else ''}; mend the model or its inputs"
        ) from error


def export_error(name: str, error: Exception) -> ModelError:
    """One sentence for a failed export."""
    where = source_of_error(error)
    at = f" at {where}" if where else ""
    text = str(error)
    if isinstance(error, GuardOnDataDependentSymNode) or "data-dependent" in text:
        return ModelError(
            f"capturing {name}: got a shape or a branch that depends on the values of tensors{at}, "
            "expected one that depends on shapes only; keep the values in tensors and choose with "
            "torch.where, or pass the number as a plain Python argument"
        )
    if "CUDA" in text or "cuda" in text:
        return ModelError(
            f"capturing {name}: got a tensor put on a CUDA device{at}, expected the device of the "
            "inputs; write device=x.device"
        )
    container = re.search(r"Found <class '([\w.]+)'> in output", text)
    if container is not None:
        kind = container.group(1).rpartition(".")[2]
        return ModelError(
            f"capturing {name}: got a {kind} among the outputs, expected tensors (in tuples, lists "
            "or dicts); return the tensors, or for a transformers model set config.use_cache=False"
        )
    return ModelError(
        f"capturing {name}: got {type(error).__name__}: {first_line(error)}{at}, expected a model "
        "that torch.export accepts; rewrite that line with tensor operations"
    )


def first_line(error: BaseException) -> str:
    """The first line of an error's text that says something."""
    lines = [line.strip() for line in re.split(r"[\r\n]+", str(error)) if line.strip()]
    return lines[0].rstrip(".;") if lines else type(error).__name__
