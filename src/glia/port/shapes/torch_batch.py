"""One batch: how it is given to the model, and what a compiler of fixed shapes would see of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from glia.core.errors import ModelError
from glia.core.records import SourceLine
from glia.frontends.torch.export import first_line
from glia.frontends.torch.sources import source_of_error
from glia.port.shapes.census import Leaf, Signature


@dataclass(frozen=True, slots=True)
class Call:
    """A way to give batches to a model; `words` say it."""

    words: str
    arguments: Any  # of a batch: (args, kwargs)


def ways(batch: Any, parameters: Mapping[str, inspect.Parameter]) -> Iterator[Call]:
    """The ways in which a batch may be meant, the likeliest first."""
    if isinstance(batch, Mapping):
        yield Call("its keys as arguments", lambda b: ((), dict(b)))
        known = [key for key in batch if key in parameters]
        if known and len(known) < len(batch):
            left = ", ".join(str(key) for key in batch if key not in known)
            yield Call(
                f"{', '.join(known)} as arguments; {left} are not given to the model",
                lambda b: ((), {key: b[key] for key in known}),
            )
        yield Call("the whole dict as one argument", lambda b: ((b,), {}))
        return
    if isinstance(batch, list | tuple) and batch:
        yield from _of_sequence(batch, parameters)
        return
    yield Call("one argument", lambda b: ((b,), {}))


def _of_sequence(batch: Any, parameters: Mapping[str, inspect.Parameter]) -> Iterator[Call]:
    if len(batch) == 2 and isinstance(batch[0], list | tuple) and isinstance(batch[1], Mapping):
        yield Call("positional and named arguments", lambda b: (tuple(b[0]), dict(b[1])))
    yield Call(f"its {len(batch)} items as arguments", lambda b: (tuple(b), {}))
    for inner in ways(batch[0], parameters):
        others = "item is" if len(batch) == 2 else f"{len(batch) - 1} items are"
        rest = f"; the other {others} not given" if len(batch) > 1 else ""
        yield Call(f"its first item ({inner.words}){rest}", _first(inner))
    yield Call("the whole batch as one argument", lambda b: ((b,), {}))


def _first(inner: Call) -> Any:
    return lambda batch: inner.arguments(batch[0])


def arguments(call: Call, batch: Any, number: int = 0) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The batch as arguments of the model; arrays of NumPy become tensors.

    Raises:
        ModelError: when it has another form than the first batch.
    """
    try:
        args, kwargs = call.arguments(batch)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ModelError(
            f"giving batch {number} to the model: got {described(batch)}, expected the form of the "
            f"first batch ({call.words}); yield batches of one form"
        ) from error
    return pytree.tree_map(_tensor, (tuple(args), dict(kwargs)))


def _tensor(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        return torch.from_numpy(np.ascontiguousarray(value))
    return value


def find_call(module: torch.nn.Module, name: str, batch: Any) -> Call:
    """The first way of giving the batch to the model in which the model takes it.

    Raises:
        ModelError: when there is none, with what each attempt gave.
    """
    signature = inspect.signature(module.forward)
    refused: list[str] = []
    for call in ways(batch, signature.parameters):
        args, kwargs = arguments(call, batch)
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            refused.append(f"{call.words}: {error}")
            continue
        try:
            with torch.no_grad():
                module(*args, **kwargs)
        except Exception as error:  # the user's model, on what may not be meant for it
            refused.append(f"{call.words}: {_told(error)}")
            continue
        return call
    raise ModelError(
        f"giving batch 0 ({described(batch)}) to {name}{signature}: got no call that works, "
        f"expected one; yield what the model takes. Tried: {'; '.join(refused)}"
    )


def fails(module: torch.nn.Module, given: tuple[tuple[Any, ...], dict[str, Any]]) -> str:
    """Why the module does not take these inputs; empty when it does."""
    try:
        with torch.no_grad():
            module(*given[0], **given[1])
    except Exception as error:  # the user's model, on the user's data
        return _told(error)
    return ""


def _told(error: Exception) -> str:
    where: SourceLine | None = source_of_error(error)
    return f"{type(error).__name__}: {first_line(error)}{f' at {where}' if where else ''}"


def described(batch: Any) -> str:
    """A batch in a few words: `(float32[4, 8], int64[4])`."""
    if isinstance(batch, torch.Tensor | np.ndarray):
        return f"{str(batch.dtype).removeprefix('torch.')}{list(batch.shape)}"
    if isinstance(batch, Mapping):
        return "{" + ", ".join(f"{k}: {described(v)}" for k, v in batch.items()) + "}"
    if isinstance(batch, list | tuple):
        shown = ", ".join(described(v) for v in batch[:4])
        return f"({shown}{', ...' if len(batch) > 4 else ''})"
    return type(batch).__name__


def signature_of(
    args: tuple[Any, ...], kwargs: dict[str, Any], names: tuple[str, ...] = ()
) -> Signature:
    """What decides the graph: shapes and formats of tensors, and plain values as they are."""
    leaves, _ = pytree.tree_flatten_with_path((args, kwargs))
    return tuple(_leaf(path, value, names) for path, value in leaves)


def _leaf(path: Any, value: Any, names: tuple[str, ...]) -> Leaf:
    name = _name(path, names)
    if isinstance(value, torch.Tensor):
        return Leaf(name, str(value.dtype).removeprefix("torch."), tuple(value.shape))
    if isinstance(value, bool | int | float | str) or value is None:
        return Leaf(name, repr(value), None)
    return Leaf(name, type(value).__name__, None)


def _name(path: Any, names: tuple[str, ...]) -> str:
    """`input_ids`, or the parameter that a positional argument fills, and what lies inside it."""
    group, first, *rest = path
    key = first.idx if hasattr(first, "idx") else first.key
    if group.idx == 0:
        key = names[key] if key < len(names) else f"input {key}"
    return f"{key}{pytree.keystr(tuple(rest))}"


def parameter_names(module: torch.nn.Module) -> tuple[str, ...]:
    """The positional parameters of forward, in order."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(module.forward).parameters.values()
    return tuple(p.name for p in parameters if p.kind in kinds)
