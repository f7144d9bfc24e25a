"""`import glia.nki.install` makes `import nki` mean glia's, when no other `nki` is installed.

A finder asks all others for `nki` first and answers only when none knows it, so that AWS's own
package is never shadowed. Each answer is glia's module itself, not a second copy of it.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_PUBLIC = "nki"
_OURS = "glia.nki"


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
    """Answers for `nki` when no other finder does, and for `nki.*` when `nki` is glia's."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _PUBLIC and not fullname.startswith(f"{_PUBLIC}."):
            return None
        taken = _found_elsewhere(self) if fullname == _PUBLIC else not is_ours()
        if taken:
            return None
        ours = _OURS + fullname.removeprefix(_PUBLIC)
        if importlib.util.find_spec(ours) is None:
            return None
        return ModuleSpec(fullname, _Alias(ours), is_package=fullname == _PUBLIC)


def _found_elsewhere(finder: MetaPathFinder) -> bool:
    others = (other for other in sys.meta_path if other is not finder)
    return any(other.find_spec(_PUBLIC, None) is not None for other in others)


def is_ours() -> bool:
    """True when `nki`, already imported, is glia's."""
    return sys.modules.get(_PUBLIC) is sys.modules.get(_OURS)


def install() -> None:
    """Make `import nki` find glia's package where there is no other; more calls do nothing."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


install()
