"""The user's own files: finding them, importing them, and saying what went wrong in them."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from glia.core.errors import GliaError, ModelError, UsageError

Result = TypeVar("Result")
INSTALL_TORCH = "install PyTorch with: pip install -e '.[torch]' in the checkout of glia"
# How PyTorch, or the author of a model, says that something needs a GPU of NVIDIA.
_CUDA = re.compile(r"cuda|nvidia|\bgpu|accelerator|nccl", re.IGNORECASE)


def asks_for_cuda(text: str) -> bool:
    """True for the text of an error that comes of CUDA not being here."""
    return bool(_CUDA.search(text))


def on_a_cpu(
    work: Callable[[], Result], lacks_cuda: Callable[[Result], bool] = lambda result: False
) -> tuple[Result, bool]:
    """What `work` gives, and whether the CPU stood in for CUDA: only where it fails without.

    `lacks_cuda` says so of a result.
    """
    try:
        result = work()
        if not lacks_cuda(result):
            return result, False
    except ModelError as error:
        if not asks_for_cuda(str(error)):
            raise
    from glia.frontends.torch.stand_in import standing_in  # `work` asked for PyTorch

    with standing_in():
        return work(), True


def split_spec(
    spec: str, what: str = "model", expected: str = "file.py:function or a model folder"
) -> tuple[Path, str]:
    """The file and the name in `file.py:name`.

    Raises:
        UsageError: for another form, or a file that does not exist, with the nearest.
    """
    path, colon, function = spec.rpartition(":")
    if not colon or not function or not path:
        file = Path(spec)
        if file.suffix == ".py" and file.is_file():
            found = f"; add the name of the function that returns the {what}"
        else:
            found = f"; there is no file or folder {spec!r}" if not file.exists() else ""
        raise UsageError(f"loading a {what}: got {spec!r}, expected {expected}{found}")
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
def importable(folder: Path) -> Iterator[None]:
    """Inside, the folder's own modules can be imported, as when the file is run as a script."""
    saved = list(sys.path)
    sys.path.insert(0, str(folder.resolve()))
    try:
        yield
    finally:
        sys.path[:] = saved


def import_file(spec: str, file: Path) -> ModuleType:
    """Run the file as a module.

    Raises:
        ModelError: for whatever goes wrong in it, with the line.
    """
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
        raise user_error(f"importing {file}", error, file) from error
    return module


def find_function(
    spec: str, module: ModuleType, name: str, returns: str = "(module, inputs)"
) -> Callable[[], Any]:
    """The function of that name, which takes nothing and `returns` something.

    Raises:
        UsageError: when there is none, with the nearest, or it has parameters.
    """
    function = getattr(module, name, None)
    if callable(function):
        return _without_parameters(spec, name, function, returns)
    own = [n for n, v in vars(module).items() if inspect.isfunction(v) and not n.startswith("_")]
    own = [n for n in own if vars(module)[n].__module__ == module.__name__]
    near = get_close_matches(name, own, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UsageError(
        f"loading {spec}: got no function {name!r} in the file; {hint}"
        f"its functions: {', '.join(own) or 'none'}"
    )


def _without_parameters(
    spec: str, name: str, function: Callable[..., Any], returns: str
) -> Callable[[], Any]:
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
            f"function that calls {name} and returns {returns}"
        )
    return function


def call(spec: str, function: Callable[[], Any]) -> Any:
    """What the function returns.

    Raises:
        ModelError: for what it raises, with the line.
    """
    try:
        return function()
    except GliaError:
        raise
    except (Exception, SystemExit) as error:
        file = Path(inspect.getsourcefile(function) or spec)
        raise user_error(f"calling {spec}", error, file) from error


def user_error(doing: str, error: BaseException, file: Path) -> ModelError:
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
