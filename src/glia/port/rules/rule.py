"""What a rule is: where it looks, why that breaks on each family of chips, and what to do.

Identifiers are those of the project's table of CUDA idioms. A rule carries a bad and a good
example, which its test runs: it must speak on the one and be silent on the other.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from glia.port.source.hits import Hit, Kind

Family = Literal["neuron", "tpu", "rocm", "cpu"]
FAMILIES: tuple[Family, ...] = ("neuron", "tpu", "rocm", "cpu")

# What happens on the target when the code runs there as it is.
Effect = Literal["raises", "silent", "slower", "works", "unknown"]
# What it takes to mend one place.
Effort = Literal["none", "minutes", "hours", "days"]
# How it is known: the vendor writes it, somebody saw it, or it is general knowledge.
Grade = Literal["documented", "seen", "general"]


@dataclass(frozen=True, slots=True)
class Advice:
    """For one family of chips: what happens there, and what to do."""

    effect: Effect
    do: str
    effort: Effort = "minutes"


HIP = Advice("works", "leave it: HIP keeps the names of torch.cuda", "none")
LEAVE = Advice("works", "leave it", "none")


def per_family(
    neuron: Advice, tpu: Advice, rocm: Advice = LEAVE, cpu: Advice = LEAVE
) -> dict[Family, Advice]:
    """What a rule means on each family; most code may stay on AMD and on the CPU."""
    return {"neuron": neuron, "tpu": tpu, "rocm": rocm, "cpu": cpu}


@dataclass(frozen=True, slots=True)
class Trigger:
    """Where a rule looks: hits of a kind under one of `keys`, on which `when` holds.

    A key `torch.cuda.nvtx.*` stands for every name below it; the longest key that fits wins.
    `torch_only`: the rule looks only into files that import PyTorch or its family, because what
    it finds has no type when read.
    """

    kind: Kind
    keys: tuple[str, ...]
    when: Callable[[Hit], bool] | None = None
    torch_only: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that ties code to CUDA. `on` has advice for every family.

    `triggers` are the places in Python; those in other files stand in `port/configs/table.py`.
    """

    id: str
    title: str
    category: str
    why: str
    triggers: tuple[Trigger, ...]
    on: Mapping[Family, Advice]
    bad: str
    good: str
    grade: Grade
    sources: tuple[str, ...]
    see: tuple[str, ...] = field(default=())
    example: str = "example.py"  # the name of the file that `bad` and `good` are


def use(*keys: str, when: Callable[[Hit], bool] | None = None, torch_only: bool = False) -> Trigger:
    """A dotted name, read or called."""
    return Trigger("use", keys, when, torch_only)


def imports(*keys: str) -> Trigger:
    """A module, or a name of it, that is imported."""
    return Trigger("import", tuple(k for key in keys for k in (key, f"{key}.*")))


def library(*packages: str) -> tuple[Trigger, Trigger]:
    """A package: where it is imported, and where it is called, which must change too."""
    used = tuple(f"{package}.*" for package in packages)
    return imports(*packages), use(*used, when=_is_at_work)


def _is_at_work(hit: Hit) -> bool:
    """Called, inherited from, or put before a function; not merely passed on or asked for."""
    parent = hit.module.parents.get(hit.node)
    return hit.call is not None or isinstance(
        parent, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    )


def method(*keys: str, when: Callable[[Hit], bool] | None = None) -> Trigger:
    """A call of a method, of whatever object."""
    return Trigger("method", keys, when, torch_only=True)


def attribute(*keys: str, when: Callable[[Hit], bool] | None = None) -> Trigger:
    """An attribute that is read, of whatever object."""
    return Trigger("attribute", keys, when, torch_only=True)


def keyword(*keys: str, when: Callable[[Hit], bool] | None = None) -> Trigger:
    """An argument given by name."""
    return Trigger("keyword", keys, when)


def string(*keys: str, when: Callable[[Hit], bool] | None = None) -> Trigger:
    """A text that is no prose."""
    return Trigger("string", keys, when)


def setting(*keys: str, when: Callable[[Hit], bool] | None = None) -> Trigger:
    """A name that is given a value elsewhere than in a call."""
    return Trigger("setting", keys, when, torch_only=True)


def index(*keys: str, when: Callable[[Hit], bool]) -> Trigger:
    """`x[...]`, read (`load`) or written to (`store`)."""
    return Trigger("index", keys, when, torch_only=True)


def operator(*keys: str, when: Callable[[Hit], bool]) -> Trigger:
    """An operator of two operands."""
    return Trigger("operator", keys, when, torch_only=True)


def function(*, when: Callable[[Hit], bool]) -> Trigger:
    """A function that is defined, judged by its name."""
    return Trigger("function", ("*",), when, torch_only=True)


def test(*keys: str, when: Callable[[Hit], bool]) -> Trigger:
    """A condition of `if`, `while` or `assert`, or what a `for` runs over."""
    return Trigger("test", keys, when, torch_only=True)
