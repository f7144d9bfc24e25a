"""Which files of a project cannot be imported without which others.

An import at the left margin runs when its file does; one inside a function, a `try` or an `if` is
indented, and may never run. So reading lines is enough, and no tree is needed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import PurePath

_IMPORT = re.compile(
    r"^(?:from[ \t]+(?P<module>[.\w]+)[ \t]+import[ \t]*"
    r"(?:\((?P<many>[^)]{0,4000})\)|(?P<few>[^\n#;]*))"
    r"|import[ \t]+(?P<plain>[^\n#;]*))",
    re.MULTILINE,
)


def eager_imports(text: str) -> tuple[str, ...]:
    """The modules and names that a text imports whenever it is imported itself: `a.b`, `..c.d`."""
    found: dict[str, None] = {}
    for match in _IMPORT.finditer(text):
        module = match["module"]
        names = match["plain"] if module is None else (match["many"] or match["few"] or "")
        for part in re.sub(r"#[^\n]*", "", names).replace("\\", " ").split(","):
            name = part.split(" as ")[0].strip()
            if not name:
                continue
            if module is None:
                found[name] = None
            else:
                found[module + ("" if module.endswith(".") else ".") + name] = None
    return tuple(found)


def dependents(
    imports: Mapping[PurePath, Sequence[str]], of: Iterable[PurePath]
) -> frozenset[PurePath]:
    """The files that cannot be imported without one of `of`, those included.

    `imports` maps each file to its `eager_imports`; what the paths have in common is taken for the
    root of the project.
    """
    deepest = _MAX_ABOVE + _num_common(imports)
    index: dict[str, list[PurePath]] = defaultdict(list)
    for path in imports:
        parts = _module(path)
        if parts:
            index[parts[-1]].append(path)
    importers: dict[PurePath, list[PurePath]] = defaultdict(list)
    for path, names in imports.items():
        for name in names:
            for imported in _files(path, name, index, deepest):
                importers[imported].append(path)
        for folder in path.parents:  # a package runs before what stands in it
            package = folder / "__init__.py"
            if package in imports and package != path:
                importers[package].append(path)
    found: set[PurePath] = set()
    waiting = list(of)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += importers[path]
    return frozenset(found)


def _module(path: PurePath) -> tuple[str, ...]:
    parts = path.with_suffix("").parts
    return parts[:-1] if parts and parts[-1] == "__init__" else parts


def _files(
    path: PurePath, name: str, index: Mapping[str, Sequence[PurePath]], deepest: int
) -> Iterable[PurePath]:
    """The files of the project that `name` may stand for: a module, or the module of a name."""
    dots = len(name) - len(name.lstrip("."))
    parts = tuple(part for part in name.lstrip(".").split(".") if part)
    if dots:
        folder = path.parent.parts
        parts = (*folder[: len(folder) - dots + 1], *parts)
    for end in (len(parts), len(parts) - 1):
        wanted = parts[:end]
        if not wanted:
            return ()
        exact = dots > 0
        found = [
            candidate
            for candidate in index.get(wanted[-1], ())
            if (_module(candidate) == wanted if exact else _ends(candidate, wanted, deepest))
        ]
        if found:
            return found
    return ()


def _num_common(paths: Iterable[PurePath]) -> int:
    """How many folders all paths have in common."""
    folders = [path.parent.parts for path in paths]
    shared = zip(*folders, strict=False)
    return sum(1 for _ in takewhile(lambda parts: len(set(parts)) == 1, shared))


def _ends(path: PurePath, wanted: tuple[str, ...], deepest: int) -> bool:
    """`pkg.a` is `src/pkg/a.py`: a project's packages may stand in a folder of their own."""
    module = _module(path)
    return module[-len(wanted) :] == wanted and len(module) - len(wanted) <= deepest


_MAX_ABOVE = 3  # folders between the root of a project and its packages
