"""Arguments of a kernel from words: shapes with dtypes, files, numbers, or the file's own example.

    x=128x512:bf16      random data of that shape and dtype, from the seed
    x=@weights.npy      an array of a file (`@file.npz:name` for one of several)
    n=3  eps=1e-6  transposed=true  mask=none  shape=(2,3)  name=relu  dtype=nl.bfloat16
    group=ranks         the ReplicaGroup of all ranks; group=ranks[[0,1],[2,3]] one of two lists

A kernel `softmax` whose file defines `softmax_args()` takes what that function returns (a dict by
parameter name, or a tuple in order) for the parameters that were not given by name. With several
ranks each draws its own random data, `{rank}` in the name of a file stands for its number, and an
example that takes a parameter is given it.
"""

from __future__ import annotations

import ast
import inspect
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from glia.core.dtypes import DType, dtype
from glia.core.errors import KernelError, ModelError, UsageError, choose
from glia.nki import Kernel
from glia.nki import language as nl
from glia.nki.arguments import HostArray, TensorSpec, is_array, leaves, map_leaves
from glia.nki.collectives import ReplicaGroup
from glia.nki.language.dtypes import PUBLIC
from glia.nki.tools.files import file_error

EXAMPLE_SUFFIX = "_args"
_SHAPE = re.compile(r"(-?\d+(?:x-?\d+)*)(?::([A-Za-z]\w*))?")
_LIKE_A_SHAPE = re.compile(r"[(\[]?\d[\d\s,;*xX\u00d7.()\[\]-]*:\s*[A-Za-z]\w*")
_SHORT = {"f32": "float32", "f16": "float16"}
_DTYPES = {getattr(nl, name).name for name in PUBLIC}
_WORDS = {"true": True, "false": False, "none": None}
_FORMS = "SHAPE:DTYPE as 128x512:bf16, @FILE.npy, a number, true, false, none, (1,2), text"


class Random:
    """A tensor to be filled with random values. No dataclass: those are opened as arguments."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[int, ...], kind: DType) -> None:
        self.shape = shape
        self.dtype = kind


class Group:
    """A ReplicaGroup to be made once the number of ranks is known; `lists` is its text, if any."""

    __slots__ = ("lists", "word")

    def __init__(self, word: str, lists: str) -> None:
        self.word = word
        self.lists = lists

    def of(self, num_ranks: int) -> ReplicaGroup:
        """All ranks in one list, or the lists given."""
        if not self.lists:
            return ReplicaGroup([range(num_ranks)])
        try:
            return ReplicaGroup(ast.literal_eval(self.lists))
        except (ValueError, SyntaxError, TypeError, KernelError):
            raise UsageError(
                f"--arg {self.word}: got {self.lists!r}, expected lists of ranks, each rank once, "
                "as [[0,1],[2,3]]"
            ) from None


@dataclass(frozen=True, slots=True)
class Arguments:
    """A kernel's arguments by parameter name, in the order of the signature."""

    values: Mapping[str, Any]
    seed: int = 0
    rank: int = 0

    def arrays(self) -> dict[str, Any]:
        """The arguments with data: random tensors are drawn from the seed and their name."""
        return {name: map_leaves(v, self._filled, name) for name, v in self.values.items()}

    def _filled(self, value: Any, name: str) -> Any:
        if not isinstance(value, Random):
            return value
        return drawn(value, self.seed, f"{name}@{self.rank}" if self.rank else name)

    def specs(self) -> dict[str, Any]:
        """The arguments with shapes in place of tensors."""
        return {name: map_leaves(value, _spec, name) for name, value in self.values.items()}

    def shown(self) -> tuple[str, ...]:
        """Each argument as text, as `x: bfloat16[128, 512]`."""
        return tuple(f"{name}{_text(value)}" for name, value in self.values.items())

    def same_as(self, other: Arguments) -> bool:
        """True when both give the same data."""
        mine, theirs = leaves(self.arrays()), leaves(other.arrays())
        return len(mine) == len(theirs) and all(
            _equal(a, b) for a, b in zip(mine, theirs, strict=True)
        )


def read_arguments(
    kernel: Kernel,
    module: ModuleType,
    words: Sequence[str],
    seed: int = 0,
    rank: int = 0,
    num_ranks: int = 1,
    saved: Sequence[str] = (),
) -> Arguments:
    """The kernel's arguments on one rank, from `NAME=SPEC` words and the file's example.

    `saved` are words of another launch, wanted where `words` say nothing. The kernel may lack such
    a parameter; an example of the same type and shape stays, as its data may matter.

    Raises:
        UsageError: for an unknown name, a bad spec, or a parameter that nothing gives.
    """
    name = kernel.function.__name__
    parameters = kernel.signature.parameters
    given: dict[str, Any] = {}
    for word in words:
        key, value = _read(word.replace("{rank}", str(rank)), parameters, name)
        if key in given:
            raise UsageError(f"--arg {word}: got {key} twice, expected it once; remove one")
        given[key] = value.of(num_ranks) if isinstance(value, Group) else value
    example = _example(kernel, module, rank)
    known = [word for word in saved if word.partition("=")[0] in parameters]
    for key, value in (_read(word, parameters, name) for word in known):
        again = value.of(num_ranks) if isinstance(value, Group) else value
        if key not in example or _text(example[key]) != _text(again):
            example[key] = again
    values = {**example, **given}
    missing = [
        p.name
        for p in parameters.values()
        if p.name not in values and p.default is p.empty and p.kind not in _VARIABLE
    ]
    if missing:
        raise UsageError(_missing(name, kernel, missing))
    return Arguments({key: values[key] for key in parameters if key in values}, seed, rank)


_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def has_arguments(kernel: Kernel, module: ModuleType, words: Sequence[str]) -> bool:
    """True when the arguments can be known: words, an example, or no parameter needs one."""
    return bool(words) or _example_of(kernel, module) is not None or not _required(kernel)


def _required(kernel: Kernel) -> list[str]:
    found = kernel.signature.parameters.values()
    return [p.name for p in found if p.default is p.empty and p.kind not in _VARIABLE]


def _missing(name: str, kernel: Kernel, missing: Sequence[str]) -> str:
    words = " ".join(f"--arg {p}=128x512:bf16" for p in missing)
    return (
        f"{name}{kernel.signature}: got no value for {', '.join(missing)}, expected one of each; "
        f"give it, as {words} (forms: {_FORMS}), or define {name}{EXAMPLE_SUFFIX}() in the file "
        "that returns a dict of arrays"
    )


def _read(word: str, parameters: Mapping[str, Any], kernel: str) -> tuple[str, Any]:
    key, equals, text = word.partition("=")
    if not equals or not key:
        raise UsageError(f"--arg {word}: got no NAME=SPEC, expected one, as x=128x512:bf16")
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        choose(f"--arg {word}: parameter of {kernel}", key, parameters)
    return key, read_spec(word, text)


def read_spec(word: str, text: str) -> Any:
    """The value of one spec; `word` is what errors show.

    Raises:
        UsageError: for a bad shape, dtype or file.
    """
    if text.startswith("@"):
        return _file(word, text[1:])
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if text.startswith("ranks") and (text == "ranks" or text[5] == "["):
        return Group(word, text[5:])
    if text.startswith("nl."):
        return getattr(nl, choose(f"--arg {word}: name of nki.language", text[3:], dir(nl)))
    match = _SHAPE.fullmatch(text)
    if match and ("x" in text or ":" in text):
        return _shape(word, match[1], match[2] or "float32")
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        if re.match(r"-?\d+x", text) or _LIKE_A_SHAPE.fullmatch(text):
            raise UsageError(f"--arg {word}: got {text!r}, expected {_FORMS}") from None
        return text


def _shape(word: str, sizes: str, name: str) -> Random:
    shape = tuple(int(size) for size in sizes.split("x"))
    if min(shape) < 1:
        raise UsageError(f"--arg {word}: got a size of {min(shape)}, expected sizes of at least 1")
    kind = _dtype(word, _SHORT.get(name, name))
    if math.prod(shape) * kind.itemsize > 2**36:
        raise UsageError(f"--arg {word}: got a tensor above 64 GiB, expected a smaller one")
    return Random(shape, kind)


def _dtype(word: str, name: str) -> DType:
    """The format of this name or alias, one that a chip has."""
    try:
        kind = dtype(name)
    except UsageError:
        kind = None
    if kind is not None and kind.name in _DTYPES:
        return kind
    return dtype(choose(f"--arg {word}: dtype of a tensor", name, _DTYPES))


def _file(word: str, text: str) -> np.ndarray:
    path, _, key = text.partition(":")
    try:
        found = np.load(Path(path), allow_pickle=False)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"--arg {word}: got {reason!r} for {path}, expected a .npy file") from None
    if isinstance(found, np.ndarray):
        return found
    names = list(found.keys())
    if len(names) != 1 and not key:
        raise UsageError(f"--arg {word}: got {len(names)} arrays, expected {path}:NAME of {names}")
    return np.asarray(found[choose(f"--arg {word}: array", key or names[0], names)])


def _example_of(kernel: Kernel, module: ModuleType) -> Any:
    return getattr(module, f"{kernel.function.__name__}{EXAMPLE_SUFFIX}", None)


def _example(kernel: Kernel, module: ModuleType, rank: int = 0) -> dict[str, Any]:
    function = _example_of(kernel, module)
    if function is None:
        return {}
    name = f"{kernel.function.__name__}{EXAMPLE_SUFFIX}"
    try:
        found = function(rank) if inspect.signature(function).parameters else function()
    except Exception as error:
        path = Path(inspect.getsourcefile(function) or name)
        raise file_error(f"calling {name}()", error, path) from error
    args: tuple[Any, ...]
    if isinstance(found, Mapping):
        args, kwargs = (), dict(found)
    elif isinstance(found, (tuple, list)):
        args, kwargs = tuple(found), {}
    else:
        args, kwargs = (found,), {}
    try:
        return dict(kernel.signature.bind_partial(*args, **kwargs).arguments)
    except TypeError as error:
        raise ModelError(
            f"{name}(): got arguments that do not fit: {error}; expected "
            f"{kernel.function.__name__}{kernel.signature}; return a dict by parameter name"
        ) from None


def drawn(value: Random, seed: int, name: str) -> np.ndarray:
    """Random data: normal for floats, 0 to 7 for integers, any bits for packed formats."""
    # The name decides too, so that a second argument changes nothing in the first.
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    if value.dtype.is_float:
        return rng.standard_normal(value.shape, np.float32).astype(value.dtype.numpy)
    if value.dtype.kind == "bool":
        return rng.integers(0, 2, value.shape).astype(bool)
    if value.dtype.is_packed:
        raw = rng.integers(0, 256, (*value.shape, value.dtype.itemsize), np.uint8)
        return raw.view(value.dtype.numpy).reshape(value.shape)
    return rng.integers(0, 8, value.shape).astype(value.dtype.numpy)


def _spec(value: Any, _: str) -> Any:
    if isinstance(value, Random):
        return TensorSpec(value.shape, value.dtype)
    return HostArray.of(value).spec if is_array(value) else value


def _text(value: Any) -> str:
    tensors: list[str] = []

    def note(part: Any, _: str) -> Any:
        if isinstance(part, Random) or is_array(part):
            spec = _spec(part, "")
            tensors.append(f"{spec.dtype}{list(spec.shape)}")
        return part

    map_leaves(value, note)
    if not tensors:
        return f"={value!r}"
    alone = isinstance(value, Random) or is_array(value)
    return f": {tensors[0]}" if alone else f": {type(value).__name__}({', '.join(tensors)})"


def _equal(a: Any, b: Any) -> bool:
    if is_array(a) and is_array(b):
        left, right = HostArray.of(a).dense, HostArray.of(b).dense
        return (
            left.dtype == right.dtype
            and left.shape == right.shape
            and (left.tobytes() == right.tobytes())
        )
    return bool(type(a) is type(b) and a == b)
