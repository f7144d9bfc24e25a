"""Where files are, for SARIF 2.1.0: relative URIs, each with the base that it is relative to.

The bases have no URI of their own (3.14.14 allows it): where they are is known to the reader, and
a log that is sent elsewhere names no folder of the machine that made it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePath
from urllib.parse import quote

_SOURCE, _LIBRARY, _OTHER = "%SRCROOT%", "%LIBRARIES%", "%PROJECT{}%"
_TEXTS = {
    _SOURCE: "the top of the repository, or the folder that glia ran in",
    _LIBRARY: "the folder in which Python's packages are installed",
}
_OTHER_TEXT = "another folder that was checked"
_INSTALLED = ("site-packages", "dist-packages")


class Places:
    """The bases of one log; `location` adds those that it needs."""

    def __init__(self, folder: Path, roots: Sequence[str] = ()) -> None:
        self._folder = folder
        self._source = _top(folder) or folder
        self._roots = [Path(os.path.abspath(folder / root)) for root in roots]
        self._bases: dict[Path, str] = {}
        self._used: dict[str, str] = {_SOURCE: _TEXTS[_SOURCE]}

    def location(self, file: str) -> dict[str, str]:
        """The `artifactLocation` of a file, which is named as a user would write it."""
        path = Path(os.path.abspath(self._folder / file))
        library = _in_library(path)
        if library is not None:
            self._used[_LIBRARY] = _TEXTS[_LIBRARY]
            return {"uri": uri_of(library), "uriBaseId": _LIBRARY}
        for one in (path, path.parent.resolve() / path.name):
            if one.is_relative_to(self._source):
                return {"uri": uri_of(one.relative_to(self._source)), "uriBaseId": _SOURCE}
        base = self._base(path)
        name = self._bases.setdefault(base, _OTHER.format(len(self._bases) + 1))
        self._used[name] = _OTHER_TEXT
        return {"uri": uri_of(path.relative_to(base)), "uriBaseId": name}

    def bases(self) -> dict[str, dict[str, dict[str, str]]]:
        """`originalUriBaseIds` for the locations so far."""
        return {name: {"description": {"text": text}} for name, text in self._used.items()}

    def _base(self, path: Path) -> Path:
        """Of a file elsewhere: its repository, else what was checked, else its folder."""
        within = (root for root in self._roots if root != path and path.is_relative_to(root))
        return _top(path.parent) or next(within, path.parent)


def uri_of(path: PurePath) -> str:
    """A relative path as a URI: slashes on every system, and all else encoded (RFC 3986)."""
    first, *others = path.parts or (".",)
    return "/".join(quote(part, safe="") for part in (first, *others))


def _in_library(path: PurePath) -> PurePath | None:
    places = [i for i, part in enumerate(path.parts) if part in _INSTALLED]
    return PurePath(*path.parts[places[-1] + 1 :]) if places else None


def _top(folder: Path) -> Path | None:
    """The repository that a folder is in."""
    return next((f for f in (folder, *folder.parents) if (f / ".git").exists()), None)
