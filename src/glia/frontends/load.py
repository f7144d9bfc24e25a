"""How a model is named on the command line: `file.py:function`, or a Hugging Face model folder.

The function takes nothing and returns `(module, inputs)`. Inputs are a tensor, a tuple or list
(positional), a dict (keyword), or `(tuple, dict)` (both). Nothing is ever fetched from a network.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from glia.core.errors import GliaError, ModelError, UsageError
from glia.core.records import Finding
from glia.frontends.inputs import num_sequences

INSTALL_TORCH = "install PyTorch with: pip install 'glia[torch]'"


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


def load_model(spec: str) -> LoadedModel:
    """Load `file.py:function` or a Hugging Face model folder on disk.

    Raises:
        UsageError: no such file, folder or function; PyTorch is not installed.
        ModelError: the file or function fails, or returns something else than a module and inputs.
    """
    _require_torch(spec)
    folder = Path(spec)
    if spec and folder.is_dir():
        from glia.frontends.torch.huggingface import load_folder

        module, kwargs, findings = load_folder(folder)
        return _loaded(spec, folder.resolve().name, (module, kwargs), str(folder), findings)
    file, function_name = _split(spec)
    with _importable(file.parent):
        function = _function(spec, _imported(spec, file), function_name)
        result = _called(spec, function)
    name = f"{file.stem}.{function_name}"
    return _loaded(spec, name, result, str(file))


def _require_torch(spec: str) -> None:
    if importlib.util.find_spec("torch") is None:
        raise UsageError(f"loading {spec}: got no PyTorch, expected it; {INSTALL_TORCH}")


def _split(spec: str) -> tuple[Path, str]:
    path, colon, function = spec.rpartition(":")
    if not colon or not function or not path:
        file = Path(spec)
        if file.suffix == ".py" and file.is_file():
            found = "; add the name of the function that returns the model"
        else:
            found = f"; there is no file or folder {spec!r}" if not file.exists() else ""
        raise UsageError(
            f"loading a model: got {spec!r}, expected file.py:function or a model folder{found}"
        )
    file = Path(path)
    if not file.is_file():
        raise UsageError(
            f"loading {spec}: got no file {path!r}, expected a Python file; {_nearest_file(file)}"
        )
    return file, function


def _nearest_file(file: Path) -> str:
    if not file.parent.is_dir():
        return f"the folder {str(file.parent)!r} does not exist either; check the path"
    near = get_close_matches(file.name, [p.name for p in file.parent.glob("*.py")], n=1)
    return f"did you mean {str(file.parent / near[0])!r}?" if near else "check the path"


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Inside, the folder's own modules can be imported, as when the file is run as a script."""
    saved = list(sys.path)
    sys.path.insert(0, str(folder.resolve()))
    try:
        yield
    finally:
        sys.path[:] = saved


def _imported(spec: str, file: Path) -> ModuleType:
    name = f"glia_model_{file.stem}"
    found = importlib.util.spec_from_file_location(name, file.resolve())
    if found is None or found.loader is None:
        raise UsageError(f"loading {spec}: got {file.name!r}, expected a Python file ending in .py")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    try:
        found.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        sys.modules.pop(name, None)
        raise _user_error(f"importing {file}", error, file) from error
    return module


def _function(spec: str, module: ModuleType, name: str) -> Callable[[], Any]:
    function = getattr(module, name, None)
    if callable(function):
        return _without_parameters(spec, name, function)
    own = [n for n, v in vars(module).items() if inspect.isfunction(v) and not n.startswith("_")]
    own = [n for n in own if vars(module)[n].__module__ == module.__name__]
    near = get_close_matches(name, own, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UsageError(
        f"loading {spec}: got no function {name!r} in the file; {hint}"
        f"its functions: {', '.join(own) or 'none'}"
    )


def _without_parameters(spec: str, name: str, function: Callable[..., Any]) -> Callable[[], Any]:
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [
        p.name
        for p in inspect.signature(function).parameters.values()
        if p.default is p.empty and p.kind not in kinds
    ]
    if inspect.isclass(function) or needed:
        takes = f"parameters {', '.join(needed)}" if needed else "a class"
        raise UsageError(
            f"loading {spec}: got {takes}, expected a function without parameters; write a "
            f"function that calls {name} and returns (module, inputs)"
        )
    return function


def _called(spec: str, function: Callable[[], Any]) -> Any:
    try:
        return function()
    except GliaError:
        raise
    except (Exception, SystemExit) as error:
        file = Path(inspect.getsourcefile(function) or spec)
        raise _user_error(f"calling {spec}", error, file) from error


def _user_error(doing: str, error: BaseException, file: Path) -> ModelError:
    """The user's exception in one line, with the line of their file that it came from."""
    text = " ".join(str(error).split()) or "no message"
    where = file.name
    if isinstance(error, SyntaxError):
        where = f"{file}:{error.lineno}"
    else:
        frames = traceback.extract_tb(error.__traceback__)
        own = [f for f in frames if Path(f.filename).name == file.name]
        if own:
            where = f"{file}:{own[-1].lineno} ({own[-1].line})"
    do = "mend that line"
    if isinstance(error, ModuleNotFoundError):
        is_torch = error.name in ("torch", "transformers")
        do = INSTALL_TORCH if is_torch else f"install the package that provides {error.name!r}"
    return ModelError(f"{doing}: got {type(error).__name__}: {text}, at {where}; {do}")


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
