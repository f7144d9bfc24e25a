"""Files that are loaded apart from the others of their project, where they find no helper beside.

Build tools run `setup.py` and its kind with other folders searched than their own. transformers
copies the files of a model that it loads by `auto_map`, and with them only what they import as
`from .name import x`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from glia.port.fix.surroundings.build_files import pyproject, table
from glia.port.fix.surroundings.neighbours import Neighbours

_TOOLS = {
    "setup.py": "the build", "hatch_build.py": "hatch", "pdm_build.py": "pdm", "noxfile.py": "nox",
    "dodo.py": "doit", "fabfile.py": "fabric", "conf.py": "Sphinx",
}  # fmt: skip
_BUILDS = re.compile(r"^[ \t]*(?:from|import)[ \t]+(?:setuptools|distutils|skbuild)\b", re.M)
_SPHINX = re.compile(r"^(?:extensions|html_theme|master_doc|root_doc|project)[ \t]*=", re.M)
_REMOTE = ("auto_map", "custom_pipelines")
_COPIED = re.compile(r"^\s*from\s+\.(\w+)\s+import", re.M)
_MOST_BYTES = 1_000_000  # of a settings file; weights' indices are larger


def why_outside(file: Path, around: Neighbours) -> str:
    """Why a file would not find a helper of its project; empty when it does."""
    tool = _tool(file, around)
    if tool:
        return f"{tool} runs this file, and may not search its folder for the helper"
    text = around.texts.get(file, "")
    if file.stem in _model_files(file.parent) or "register_for_auto_class(" in text:
        return (
            "transformers copies this file of a model elsewhere (auto_map), and would leave the "
            "helper behind"
        )
    return ""


def _tool(file: Path, around: Neighbours) -> str:
    """The tool that runs a file by its name; empty where others import it, or it is another's."""
    text = around.texts.get(file, "")
    name = _TOOLS.get(file.name, "")
    if file.name == "setup.py" and _BUILDS.search(text):
        return name
    if file.name == "conf.py" and not _SPHINX.search(text):
        return ""
    if name and not around.importers(file):
        return name
    return "the build" if _is_backend(file) else ""


def _is_backend(file: Path) -> bool:
    """It builds the project that it lies in (`build-backend` with `backend-path`)."""
    for folder in file.parents:
        system = table(pyproject(folder), "build-system")
        paths, backend = system.get("backend-path"), system.get("build-backend")
        if isinstance(paths, list) and isinstance(backend, str):
            module = backend.partition(":")[0].replace(".", "/")
            places = [(folder / str(path) / module).resolve() for path in paths]
            return any(
                place in file.parents or file == place.with_name(f"{place.name}.py")
                for place in places
            )
    return False


def _model_files(folder: Path) -> frozenset[str]:
    """The modules in a folder that transformers copies when it loads the model there."""
    found: set[str] = set()
    waiting = {
        name
        for file in folder.glob("*.json")
        for name in _named_modules(file)
        if (folder / f"{name}.py").is_file()
    }
    while waiting:
        name = waiting.pop()
        found.add(name)
        with suppress(OSError, ValueError):
            text = (folder / f"{name}.py").read_text(encoding="utf-8")
            waiting |= {n for n in _COPIED.findall(text) if (folder / f"{n}.py").is_file()} - found
    return frozenset(found)


def _named_modules(file: Path) -> Iterator[str]:
    """`modeling_foo` of `"auto_map": {"AutoModel": "modeling_foo.FooModel"}`."""
    with suppress(OSError, ValueError, RecursionError):
        if file.stat().st_size <= _MOST_BYTES:
            data = json.loads(file.read_text(encoding="utf-8"))
            for key in _REMOTE if isinstance(data, dict) else ():
                for text in _texts(data.get(key)):
                    yield text.split(".")[0]


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
