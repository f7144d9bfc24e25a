"""How a kernel is named, `FILE.py:KERNEL`, and what is in a kernel file.

The file is imported with glia's `nki` in place when no other is installed. Whatever goes wrong in
it becomes one message with the file's own line.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from glia.core.errors import GliaError, ModelError, UsageError
from glia.nki import Kernel, jit
from glia.nki.subset.walk import TOO_DEEP, place
from glia.nki.tools.surroundings import (
    INSTALLED,
    Home,
    Surroundings,
    home_of,
    relative_imports,
)


@dataclass(frozen=True, slots=True)
class KernelFile:
    """An imported kernel file: its kernels by name, all else it defines, and what is around it."""

    path: Path
    module: ModuleType
    kernels: dict[str, Kernel]
    surroundings: Surroundings

    def kernel(self, name: str) -> Kernel:
        """The kernel of this name; a plain function of the file is taken as a kernel.

        Raises:
            UsageError: for any other name, with the nearest one and all kernels of the file.
        """
        if name in self.kernels:
            return self.kernels[name]
        found = getattr(self.module, name, None)
        if inspect.isfunction(found):
            return _as_kernel(found)
        if not self.kernels:
            raise UsageError(_no_kernels(self.path))
        raise UsageError(
            f"{self.path}:{name}: got no kernel {name!r} in the file; {nearest(name, self.kernels)}"
        )

    def only_kernel(self) -> tuple[str, Kernel]:
        """The file's one kernel.

        Raises:
            UsageError: when it has none or several.
        """
        if len(self.kernels) == 1:
            return next(iter(self.kernels.items()))
        if not self.kernels:
            raise UsageError(_no_kernels(self.path))
        raise UsageError(
            f"{self.path}: got a file of {len(self.kernels)} kernels, expected FILE.py:KERNEL; "
            f"name one of: {', '.join(self.kernels)}"
        )


def nearest(name: str, kernels: Iterable[str]) -> str:
    """The nearest kernel, and all of them."""
    names = list(kernels)
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}its kernels: {', '.join(names)}"


def _no_kernels(path: Path) -> str:
    return f"{path}: got a file without kernels, expected a function under @nki.jit; add one"


def _as_kernel(function: Callable[..., Any]) -> Kernel:
    made = jit(function)
    assert isinstance(made, Kernel)
    return made


def split_name(text: str) -> tuple[Path, str]:
    """The file and the kernel (empty when none is named) of `FILE.py[:KERNEL]`.

    Raises:
        UsageError: when there is no such Python file (suggests the nearest one), or no kernel after
            the colon.
    """
    path, colon, kernel = text.rpartition(":")
    if colon and not kernel:
        raise UsageError(
            f"{text}: got no kernel after the colon, expected {path}:KERNEL, or {path}"
            f"{_listed(Path(path))}"
        )
    if not colon or "/" in kernel or kernel.endswith(".py"):
        path, kernel = text, ""
    file = Path(path)
    if file.is_dir():
        raise UsageError(f"{text}: got a folder, expected a Python file, as kernels.py:softmax")
    if file.is_symlink() and not file.exists():
        raise UsageError(f"{text}: got a link that leads to no file, expected a Python file")
    if not file.is_file():
        raise UsageError(f"{text}: got no file {path!r}; {_nearest_file(file)}")
    if file.suffix != ".py":
        raise UsageError(f"{text}: got {file.name!r}, expected a Python file ending in .py")
    return file, kernel


def _listed(path: Path) -> str:
    """The kernels of a file, for an error; nothing where there is no such file."""
    if path.suffix != ".py" or not path.is_file():
        return ""
    return f"; its kernels: {', '.join(load_kernels(path).kernels) or 'none'}"


def _nearest_file(file: Path) -> str:
    if not file.parent.is_dir():
        return f"the folder {str(file.parent)!r} does not exist either; check the path"
    near = get_close_matches(file.name, [p.name for p in file.parent.glob("*.py")], n=1)
    return f"did you mean {str(file.parent / near[0])!r}?" if near else "check the path"


def load_kernels(path: Path) -> KernelFile:
    """Import a kernel file.

    Raises:
        ModelError: when the file does not parse or fails while it is imported.
        UsageError: when another `nki` than glia's is installed.
    """
    ensure_nki()
    home = home_of(path)
    surroundings = Surroundings(path, home)
    with surroundings.at_hand():
        module = _imported(path, home)
    found = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, Kernel) and _is_own(value, module)
    }
    return KernelFile(path, module, found, surroundings)


def ensure_nki() -> None:
    """Make `import nki` mean glia's.

    Raises:
        UsageError: when another package of that name is installed.
    """
    import glia.nki.install as installer

    importlib.import_module("nki")
    if not installer.is_ours():
        raise UsageError(
            "glia nki: got another `nki` package that is installed here, expected none, since "
            "kernels that import it are not glia's; use an environment without it"
        )


def _is_own(kernel: Kernel, module: ModuleType) -> bool:
    return getattr(kernel.function, "__module__", module.__name__) == module.__name__


def _imported(path: Path, home: Home) -> ModuleType:
    """The module of a file, with what it imports at hand.

    Raises:
        ModelError: for what goes wrong in it, or in a package around it.
    """
    try:
        if not home.in_package:
            return _alone(path)
        try:
            return _as_part(path, home)
        except ImportError as error:
            # A package that cannot be imported here is no matter to a file that needs none of it.
            if relative_imports(path) or _is_running(error, path):
                raise
            return _alone(path)
    except (Exception, SystemExit) as error:
        raise file_error(f"importing {path}", error, path, home.root) from error


def _alone(path: Path) -> ModuleType:
    name = f"glia_kernels_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _as_part(path: Path, home: Home) -> ModuleType:
    module = importlib.import_module(home.name)
    file = getattr(module, "__file__", None)
    if file is None or not os.path.samefile(file, path):
        raise ModelError(
            f"importing {path}: got {file or 'nothing'} for the name {home.name}, expected this "
            f"file; rename the folder {home.root / home.top}, whose name another package has"
        )
    return module


def file_error(doing: str, error: BaseException, path: Path, root: Path | None = None) -> GliaError:
    """An exception of the user's file in one message, with the line it came from.

    The line is the innermost one below `root` (the file's folder unless given).
    """
    if isinstance(error, GliaError):
        return error
    text = " ".join(str(error).split()) or "no message"
    if isinstance(error, (MemoryError, RecursionError)) and not _is_running(error, path):
        return ModelError(f"{doing}: {TOO_DEEP}")
    if isinstance(error, SyntaxError):
        return _syntax_error(doing, error, path)
    do = "check what that line does"
    if isinstance(error, ModuleNotFoundError):
        do = _missing(error.name or "")
    where = _where(error, path, root or path.parent)
    return ModelError(f"{doing}: got {type(error).__name__}: {text}, {where}; {do}")


def _is_running(error: BaseException, path: Path) -> bool:
    """False for an error of Python's parser: no line of the file has run."""
    trace, own = error.__traceback__, os.path.realpath(path)
    while trace is not None:
        if os.path.realpath(trace.tb_frame.f_code.co_filename) == own:
            return True
        trace = trace.tb_next
    return False


def _missing(name: str) -> str:
    if name.split(".")[0] in ("neuronxcc", "torch_xla", "torch_neuronx", "libneuronxla"):
        return (
            f"{name!r} is part of AWS's SDK, which glia stands in for only as far as `nki` goes; "
            "import nki instead, or guard that import"
        )
    if name.split(".")[0] == "nki":
        return f"glia's nki has no module {name!r}; use nki, nki.language, nki.isa, nki.collectives"
    return f"install the package that provides {name!r}, or check the spelling"


def _syntax_error(doing: str, error: SyntaxError, path: Path) -> ModelError:
    where = place(error.filename or path, error)
    line = (error.text or "").strip()
    shown = f" in `{line}`" if line else ""
    return ModelError(f"{doing}: got SyntaxError: {error.msg}{shown}, at {where}; mend that line")


def _where(error: BaseException, path: Path, root: Path) -> str:
    """The innermost line of the user's own files."""
    place = path.name
    trace = error.__traceback__
    own = os.path.realpath(root)
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        real = os.path.realpath(file)
        if real.startswith(own) and INSTALLED.isdisjoint(Path(real[len(own) :]).parts):
            place = f"{file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"at {place}"
