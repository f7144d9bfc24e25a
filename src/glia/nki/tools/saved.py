"""A saved profile, read back: its numbers, and the words that ask for the same launch again."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from glia.core.dtypes import DType
from glia.core.errors import FormatError, UsageError
from glia.core.kernel_records import PROFILE_FORMAT, KernelProfile
from glia.nki import language as nl

_TENSOR = re.compile(r"(\w+): (\w+)\[(\d+(?:, \d+)*)\]")
_VALUE = re.compile(r"(\w+)=(.*)", re.DOTALL)
_EXPECTED = "expected a profile.json; write it with glia nki profile --out"
_RANKS = re.compile(r"(\d+) ranks")


def read_profile(path: Path) -> KernelProfile:
    """A profile that `glia nki profile --out` wrote.

    Raises:
        UsageError: when the file cannot be read, or is no profile.
        FormatError: when it is one of another version, or damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"reading {path}: got {error.strerror}; check the path") from None
    except (ValueError, RecursionError):
        raise UsageError(f"reading {path}: got no JSON, {_EXPECTED}") from None
    version = found.get("format") if isinstance(found, dict) else None
    if version is None:
        raise UsageError(f"reading {path}: got JSON without a format, {_EXPECTED}")
    if version != PROFILE_FORMAT:
        raise FormatError(
            f"reading {path}: got format {version}, expected {PROFILE_FORMAT}; "
            "write it with this version's glia nki profile --out"
        )
    try:
        return TypeAdapter(KernelProfile).validate_python(_plain(found))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise FormatError(
            f"reading {path}: got a bad {where}: {first['msg']}; write the profile again"
        ) from None


def _plain(value: object) -> object:
    """Without derived fields, which `to_json` adds and the records compute."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items() if key != "ok"}
    return [_plain(v) for v in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Asked:
    """What a profile was made of, as far as its text tells: `words` are `NAME=SPEC`."""

    words: tuple[str, ...]
    chip: str
    num_cores: int
    num_ranks: int


def asked(profile: KernelProfile) -> Asked:
    """The launch that a saved profile is of; arguments that are no words are left out."""
    num_ranks = ranks_of(profile.arguments)
    num_cores = profile.num_cores // num_ranks
    return Asked(tuple(_words(profile.arguments)), profile.chip, num_cores, num_ranks)


def ranks_of(arguments: tuple[str, ...]) -> int:
    """Ranks that ran the kernel, told by the last of the arguments' texts."""
    match = _RANKS.fullmatch(arguments[-1]) if arguments else None
    return int(match[1]) if match else 1


def tensors(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Type and shape of each tensor, in order, whatever its parameter is called."""
    parts = (text.partition(": ") for text in arguments)
    return tuple(kind for name, colon, kind in parts if colon and name.isidentifier())


def _words(arguments: tuple[str, ...]) -> Iterator[str]:
    for text in arguments:
        if tensor := _TENSOR.fullmatch(text):
            sizes = "x".join(tensor[3].split(", "))
            yield f"{tensor[1]}={sizes}:{tensor[2]}"
        elif value := _VALUE.fullmatch(text):
            yield from _value(value[1], value[2])


def _value(name: str, text: str) -> Iterator[str]:
    if text.startswith("ReplicaGroup"):
        yield f"{name}=ranks"
        return
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return
    is_dtype = isinstance(found, str) and isinstance(getattr(nl, found, None), DType)
    yield f"{name}=nl.{found}" if is_dtype else f"{name}={text}"
