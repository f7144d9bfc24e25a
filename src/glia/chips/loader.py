"""Finds and reads chip files: `data/<name>.toml`, one chip each.

A file names its sources once, in `[sources]`, and every figure refers to one of them by key. Two
chips with the same silicon say so with `silicon_same_as`. Files are read once and kept.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from glia.chips.schema import Chip
from glia.core.errors import FormatError, UsageError, choose

DATA = Path(__file__).parent / "data"

Model = TypeVar("Model", bound=BaseModel)


def list_chips() -> list[str]:
    """Names of all chips in the catalogue, sorted."""
    return sorted(path.stem for path in DATA.glob("*.toml"))


@cache
def load_chip(name: str) -> Chip:
    """The chip of this name or alias.

    Raises:
        UsageError: for an unknown name, with the nearest one and the whole list.
        FormatError: when the chip's file breaks the schema.
    """
    path = DATA / f"{name.lower()}.toml"
    if "/" not in name and path.is_file():
        return read_chip(path)
    names = list_chips()
    by_alias = {alias: known for known in names for alias in load_chip(known).aliases}
    return load_chip(by_alias.get(name.lower()) or choose("chip", name, names))


def read_chip(path: Path) -> Chip:
    """Read one chip file from anywhere; its name must be the file's.

    Raises:
        UsageError: when there is no such file.
        FormatError: for bad TOML, an unknown key, a wrong unit, a source that is not listed.
    """
    chip = validated(Chip, read_tree(path), path)
    if chip.name != path.stem:
        raise FormatError(f"reading {path.name}: got name {chip.name!r}, expected {path.stem!r}")
    return chip


def read_tree(path: Path) -> dict[str, Any]:
    """The tables of a figure file, with every source written out.

    Raises:
        UsageError: when there is no such file.
        FormatError: for bad TOML, or a source that `[sources]` does not list.
    """
    tree = _parse(path)
    sources = tree.pop("sources", {})
    if not isinstance(sources, dict) or not all(isinstance(s, str) for s in sources.values()):
        raise FormatError(f"reading {path.name}: got [sources] {sources!r}, expected key = text")
    tree = _with_sources(tree, sources, path)
    twin = tree.pop("silicon_same_as", None)
    if twin is not None:
        tree["silicon"] = _silicon_of(twin, path)
    return tree


def validated(model: type[Model], tree: dict[str, Any], path: Path) -> Model:
    """`tree` as a `model`.

    Raises:
        FormatError: naming the file, and every field that breaks the schema.
    """
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise FormatError(_explain(path, error)) from None


def _silicon_of(name: object, path: Path) -> dict[str, Any]:
    if name not in list_chips():
        raise FormatError(
            f"reading {path.name}: got silicon_same_as = {name!r}, expected a chip of the catalogue"
        )
    return read_tree(DATA / f"{name}.toml")["silicon"]


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"reading chip file: got {path}, which does not exist") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"reading {path.name}: got bad TOML ({error}); mend the file") from None


def _with_sources(node: Any, sources: dict[str, str], path: Path) -> Any:
    if isinstance(node, list):
        return [_with_sources(item, sources, path) for item in node]
    if not isinstance(node, dict):
        return node
    out = {key: _with_sources(value, sources, path) for key, value in node.items()}
    if "source" in out:
        out["source"] = sources[_source_key(out["source"], sources, path)]
    return out


def _source_key(key: Any, sources: dict[str, str], path: Path) -> str:
    try:
        return choose("source", str(key), sources)
    except UsageError as error:
        raise FormatError(f"reading {path.name}: {error}, as listed under [sources]") from None


def _explain(path: Path, error: ValidationError) -> str:
    lines = []
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"])
        lines.append(f"{where}: {item['msg'].removeprefix('Value error, ')}")
    return f"reading {path.name}: " + "; ".join(lines)
