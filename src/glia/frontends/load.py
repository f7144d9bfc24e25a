"""How a model is named on the command line: `file.py:function`, or a Hugging Face model folder.

The function takes nothing and returns `(module, inputs)`. Inputs are a tensor, a tuple or list
(positional), a dict (keyword), or `(tuple, dict)` (both). Nothing is ever fetched from a network.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glia.core.errors import ModelError, UsageError
from glia.core.records import Finding
from glia.frontends.inputs import num_sequences
from glia.frontends.user_code import (
    INSTALL_TORCH,
    call,
    find_function,
    import_file,
    importable,
    split_spec,
)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A PyTorch module with example inputs. `source` is the file or folder it came from.

    `num_sequences` is the leading dim that all tensor inputs share, or 1 when they share none.
    """

    module: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    name: str
    num_sequences: int
    source: str
    findings: tuple[Finding, ...] = ()


def load_model(spec: str, may_shrink: bool = False) -> LoadedModel:
    """Load `file.py:function` or a Hugging Face model folder on disk.

    A large model in a folder without weights loses layers when it `may_shrink`; a finding says so.

    Raises:
        UsageError: no such file, folder or function; PyTorch is not installed.
        ModelError: the file or function fails, or returns something else than a module and inputs.
    """
    _require_torch(spec)
    folder = Path(spec)
    if spec and folder.is_dir():
        from glia.frontends.torch.huggingface import load_folder

        module, kwargs, findings = load_folder(folder, may_shrink)
        return _loaded(spec, folder.resolve().name, (module, kwargs), str(folder), findings)
    file, name = split_spec(spec)
    with importable(file.parent):
        result = call(spec, find_function(spec, import_file(spec, file), name))
    name = f"{file.stem}.{name}"
    return _loaded(spec, name, result, str(file))


def _require_torch(spec: str) -> None:
    if importlib.util.find_spec("torch") is None:
        raise UsageError(f"loading {spec}: got no PyTorch, expected it; {INSTALL_TORCH}")


def _loaded(
    spec: str, name: str, result: Any, source: str, findings: tuple[Finding, ...] = ()
) -> LoadedModel:
    import torch
    from torch.utils import _pytree as pytree

    module, inputs = _pair(spec, result)
    args, kwargs = _arguments(spec, inputs)
    leaves = pytree.tree_leaves((args, kwargs))
    shapes = [tuple(t.shape) for t in leaves if isinstance(t, torch.Tensor)]
    if not shapes:
        raise ModelError(
            f"loading {spec}: got inputs without a tensor, expected at least one; return the "
            "example inputs as torch tensors"
        )
    return LoadedModel(module, args, kwargs, name, num_sequences(shapes), source, findings)


def _pair(spec: str, result: Any) -> tuple[Any, Any]:
    import torch

    expected = "expected (module, inputs)"
    do = "return a torch.nn.Module and its example inputs"
    if not isinstance(result, tuple) or len(result) != 2:
        size = f" of {len(result)}" if isinstance(result, tuple) else ""
        raise ModelError(f"loading {spec}: got {_kind(result)}{size}, {expected}; {do}")
    module, inputs = result
    if isinstance(module, type) and issubclass(module, torch.nn.Module):
        do = f"create the module: {module.__name__}()"
    if not isinstance(module, torch.nn.Module):
        raise ModelError(
            f"loading {spec}: got {_kind(module)} as the module, expected a torch.nn.Module; {do}"
        )
    return module, inputs


def _arguments(spec: str, inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    import torch

    if isinstance(inputs, torch.Tensor):
        return (inputs,), {}
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    if not isinstance(inputs, list | tuple):
        raise ModelError(
            f"loading {spec}: got {_kind(inputs)} as inputs, expected a tensor, a tuple, a dict or "
            "(tuple, dict); return the example inputs in one of these forms"
        )
    if len(inputs) == 2 and isinstance(inputs[0], list | tuple) and isinstance(inputs[1], Mapping):
        return tuple(inputs[0]), dict(inputs[1])
    return tuple(inputs), {}


def _kind(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"
