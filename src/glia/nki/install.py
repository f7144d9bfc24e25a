"""`import glia.nki.install` makes `import nki` mean glia's, when no other `nki` is installed.

So it does for the few packages that public kernels import beside it (`glia.nki.standins`). A finder
asks all others first and answers only when none knows the name, so that no real package is ever
shadowed. Each answer is glia's module itself, not a second copy of it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_OURS = {
    "nki": "glia.nki",
    "neuron_dtypes": "glia.nki.standins.neuron_dtypes",
    "neuronxcc": "glia.nki.standins.neuronxcc",
    "torch_xla": "glia.nki.standins.torch_xla",
}
_OLD_API = ("neuronxcc.nki.language", "neuronxcc.nki.isa", "neuronxcc.nki.compiler")


class _Alias(Loader):
    """Loads a public name as the module of glia that implements it."""

    def __init__(self, ours: str) -> None:
        self._ours = ours
        self._own_spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module of glia, imported under its own name."""
        module = importlib.import_module(self._ours)
        self._own_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run: only give the module its own identity back."""
        if self._own_spec is not None:
            module.__spec__ = self._own_spec
            module.__loader__ = self._own_spec.loader


class _Finder(MetaPathFinder):
    """Answers for a public package when no other finder does, and for its modules when it did."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, inside = fullname.partition(".")
        if package not in _OURS:
            return None
        taken = not is_ours(package) if inside else _found_elsewhere(self, package)
        if taken:
            return None
        ours = f"{_OURS[package]}.{inside}" if inside else _OURS[package]
        found = importlib.util.find_spec(ours)
        if found is None and fullname in _OLD_API:
            raise ModuleNotFoundError(_old_api(fullname), name=fullname)
        if found is None:
            return None
        folders = found.submodule_search_locations
        return ModuleSpec(fullname, _Alias(ours), is_package=folders is not None)


def _old_api(name: str) -> str:
    return (
        f"No module named {name!r}: it is the API of NKI 0.1, which no compiler accepts since 0.4; "
        f"import {name.removeprefix('neuronxcc.')} instead (see AWS's migration guide)"
    )


def _found_elsewhere(finder: MetaPathFinder, package: str) -> bool:
    """True when another finder has the package; a mere folder of that name is none."""
    others = (other for other in sys.meta_path if other is not finder)
    specs = (other.find_spec(package, None) for other in others)
    return any(spec is not None and spec.origin is not None for spec in specs)


def is_ours(package: str = "nki") -> bool:
    """True when this public package, already imported, is glia's."""
    return sys.modules.get(package) is sys.modules.get(_OURS[package])


def install() -> None:
    """Make `import nki` find glia's package where there is no other; more calls do nothing."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


install()
