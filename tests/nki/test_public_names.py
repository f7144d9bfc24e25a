"""Every name and signature of `glia.nki` against the table of the public API."""

from __future__ import annotations

import importlib
import inspect
import json
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from glia.core.dtypes import DType

TABLE = json.loads(Path(__file__).with_name("public_api.json").read_text(encoding="utf-8"))
MODULES: dict[str, dict[str, Any]] = TABLE["modules"]

# Public names that glia does not have yet; one that exists must not be here.
MISSING: dict[str, set[str]] = {}

# Parameters that glia's functions have beyond the public ones, each with a default.
EXTRA = {
    "nki.isa.scalar_tensor_tensor": [  # as NKI 0.7 has it
        "reduce_cmd=reduce_cmd.reset_reduce",
        "reduce_op=None",
        "reduce_res=None",
    ],
    "nki.isa.activation": ["engine=engine.scalar"],  # NKI 0.7
    "nki.isa.activate2": ["engine=engine.scalar"],  # NKI 0.7
    "nki.simulate": ["target=None"],
    "nki.isa.register_move": ["name=None"],
    "nki.isa.register_load": ["name=None"],
    "nki.isa.register_store": ["name=None"],
}

# Signatures that differ: only instructions make the handle.
DIFFERENT = {"nki.isa.NkiInstruction.__init__"}

PAIRS = [(module, name) for module, names in MODULES.items() for name in names]


def module_of(name: str) -> Any:
    try:
        return importlib.import_module(f"glia.{name}")
    except ModuleNotFoundError:
        return None


def present() -> list[tuple[str, str]]:
    return [(m, n) for m, n in PAIRS if n not in MISSING.get(m, set())]


def ours(module: str, name: str) -> Any:
    return getattr(importlib.import_module(f"glia.{module}"), name)


def written(default: Any) -> str:
    """A default as the stubs write it."""
    if isinstance(default, DType):
        return str(default)
    if isinstance(default, Enum):
        plain = type(default).__name__ == "MemoryRegion"
        return default.name if plain else f"{type(default).__name__}.{default.name}"
    named = getattr(default, "alu", None) is not None or type(default).__name__ == "AluOp"
    return default.name if named else repr(default)


def parameters(function: Any) -> list[str]:
    found = []
    for p in inspect.signature(function).parameters.values():
        if p.name == "self":
            continue
        mark = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        assert p.kind not in (p.KEYWORD_ONLY, p.POSITIONAL_ONLY), f"{function}: {p.name}"
        tail = "" if p.default is p.empty else f"={written(p.default)}"
        found.append(f"{mark}{p.name}{tail}")
    return found


def agree(name: str, found: list[str], expected: list[str]) -> None:
    """The same parameters, `=...` standing for any default, then the extra ones."""
    head, extra = found[: len(expected)], found[len(expected) :]
    for at, one in enumerate(expected):
        if one.endswith("=...") and at < len(head) and head[at].startswith(one[:-3]):
            head[at] = one
    same = head == expected and extra == EXTRA.get(name, [])
    assert same != (name in DIFFERENT), f"{name}: {found}, expected {expected}"


def test_the_table_is_whole():
    counts = {module: len(names) for module, names in MODULES.items()}
    assert counts == {"nki": 2, "nki.language": 134, "nki.isa": 67, "nki.collectives": 12}


@pytest.mark.parametrize(("module", "name"), PAIRS)
def test_name_exists_or_is_listed_as_missing(module: str, name: str):
    exists = hasattr(module_of(module), name)
    assert exists != (name in MISSING.get(module, set()))


@pytest.mark.parametrize(("module", "name"), present())
def test_signature(module: str, name: str):
    facts, found = MODULES[module][name], ours(module, name)
    if facts["kind"] == "function":
        agree(f"{module}.{name}", parameters(found), facts["parameters"])
    elif facts["kind"] == "enum":
        members = {n: member.value for n, member in found.__members__.items()}
        assert members == facts["members"]
    elif facts["kind"] == "class":
        for method, expected in facts["methods"].items():
            agree(f"{module}.{name}.{method}", parameters(getattr(found, method)), expected)
        for attribute in facts["attributes"]:
            assert hasattr(found, attribute) or attribute in found.__annotations__, attribute


@pytest.mark.parametrize("module", MODULES)
def test_dir_lists_the_public_names(module: str):
    listed = set(dir(module_of(module)))
    assert listed >= set(MODULES[module]) - MISSING.get(module, set())
