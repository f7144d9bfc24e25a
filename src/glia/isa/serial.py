"""Streams as JSON-ready dicts, and back.

What is saved is what the kernel said: its storages and its public calls with their arguments.
Loading issues every call again through its instruction function, so legality is checked again and
cycles are derived again; nothing in a file is believed. Views, which repeat, are kept in a table.
"""

from __future__ import annotations

import base64
import dataclasses
import math
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from glia.core.dtypes import DTYPES
from glia.core.errors import FormatError, KernelError
from glia.isa import engines
from glia.isa.launch.builder import INSTRUCTIONS, StreamBuilder, tracing
from glia.isa.operators.alu import AluOp
from glia.isa.operators.functions import Activation
from glia.isa.operators.tokens import TOKENS, Token
from glia.isa.stream import ALONE, Call, Stream
from glia.isa.target import Target
from glia.isa.tensors.tensor import Columns, Indirection, NkiTensor, Rows, Shift, Storage

FORMAT = 1
_KEYS = ("format", "name", "generation", "storages", "inputs", "outputs", "files", "views", "calls")
_STORAGE_KEYS = ("name", "memory", "shape", "dtype", "role", "pinned", "strides", "data")
_ROLES = ("input", "constant", "scratch")
_INDIRECTIONS = {kind.__name__: kind for kind in (Shift, Rows, Columns)}
_ENUMS = {
    kind.__name__: kind
    for kind in (
        engines.engine,
        engines.reduce_cmd,
        engines.dge_mode,
        engines.oob_mode,
        engines.dma_engine,
        engines.matmul_perf_mode,
        engines.nc_version,
    )
}


# -- saving ------------------------------------------------------------------------------------


def save_stream(stream: Stream) -> dict[str, Any]:
    """The stream as a dict of JSON values; `load_stream` makes it again.

    Raises:
        FormatError: for a call argument that has no form in a file.
    """
    _check_savable(stream)
    writer = _Writer()
    calls = [writer.call(one) for one in stream.calls]
    return {
        "format": FORMAT,
        "name": stream.name,
        "generation": stream.generation,
        "storages": [_storage_record(s) for s in stream.storages],
        "inputs": [s.index for s in stream.inputs],
        "outputs": [s.index for s in stream.outputs],
        "files": list(writer.files),
        "views": list(writer.views.values()),
        "calls": calls,
    }


def _check_savable(stream: Stream) -> None:
    """A file holds one core's stream that is right for any data."""
    got = ""
    if stream.data_dependent:
        got = f"control flow that asked for data at {stream.data_dependent}"
    elif stream.place != ALONE:
        got = f"one of {stream.place.num_cores} cores and {stream.place.num_ranks} ranks"
    elif stream.older:
        got = f"the rules of {stream.older}"
    if got:
        raise FormatError(
            f"saving stream {stream.name}: got {got}, expected the stream of one core that is "
            "right for any data; run it with nki.simulate"
        )


def _storage_record(storage: Storage) -> dict[str, Any]:
    data = storage.data
    return {
        "name": storage.name,
        "memory": storage.memory,
        "shape": list(storage.shape),
        "dtype": storage.dtype.name,
        "role": storage.role if storage.role in _ROLES else "scratch",
        "pinned": None if storage.pinned is None else list(storage.pinned),
        "strides": None if storage.strides is None else list(storage.strides),
        "data": None if data is None else base64.b64encode(data.tobytes()).decode(),
    }


class _Writer:
    """Encodes calls; collects the views and file names that they share."""

    def __init__(self) -> None:
        self.views: dict[str, list[Any]] = {}
        self.files: list[str] = []
        self._index_of_view: dict[str, int] = {}

    def call(self, one: Call) -> list[Any]:
        file = Path(one.file).name
        if file not in self.files:
            self.files.append(file)
        arguments = {key: self._value(value, one, key) for key, value in one.arguments.items()}
        return [one.op, self.files.index(file), one.line, arguments]

    def _value(self, value: Any, one: Call, key: str) -> Any:
        if isinstance(value, NkiTensor):
            return {"view": self._view(value)}
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, Enum):
            return {"enum": f"{type(value).__name__}.{value.name}"}
        if isinstance(value, (Token, AluOp, Activation)):
            return {"op": value.name}
        if isinstance(value, (list, tuple)):
            return [self._value(v, one, key) for v in value]
        if isinstance(value, (int, np.integer)):
            return int(value)
        if isinstance(value, (float, np.floating)):
            number = float(value)
            return number if math.isfinite(number) else {"float": repr(number)}
        raise FormatError(
            f"saving {one.op} of {Path(one.file).name}:{one.line}: got {key} of type "
            f"{type(value).__name__}, expected a tensor, number, operator, enum, string or list"
        )

    def _view(self, view: NkiTensor) -> int:
        picked = view.indirection
        record = [
            view.storage.index,
            view.dtype.name,
            list(view.shape),
            list(view.steps),
            view.start,
            view.partition,
            None if picked is None else self._picked(picked),
        ]
        return self._numbered(record)

    def _picked(self, by: Indirection) -> list[Any]:
        """The kind, then its fields in order, views by number."""
        fields = [getattr(by, f.name) for f in dataclasses.fields(by)]
        known: list[Any] = []
        for value in fields:
            if isinstance(value, NkiTensor):
                known.append(self._view(value))
            else:
                known.append(list(value) if isinstance(value, tuple) else value)
        return [type(by).__name__, *known]

    def _numbered(self, record: list[Any]) -> int:
        key = repr(record)
        if key not in self.views:
            self._index_of_view[key] = len(self.views)
            self.views[key] = record
        return self._index_of_view[key]


# -- loading -----------------------------------------------------------------------------------


def load_stream(record: Mapping[str, Any], target: Target) -> Stream:
    """Make a saved stream again for `target`, which must be of the stream's generation.

    Raises:
        FormatError: for a record that is damaged, altered, or written by a newer version.
    """
    _keys("stream", record, _KEYS)
    name = _of("stream name", record["name"], str)
    if record["format"] != FORMAT:
        raise _damaged(name, f"format {record['format']!r}", str(FORMAT), "use a newer glia")
    if record["generation"] != target.generation:
        raise _damaged(
            name,
            f"generation {record['generation']!r}",
            f"{target.generation} of {target.chip}",
            "compile the model again for this chip",
        )
    return _Reader(name, record, target).stream()


class _Reader:
    """Builds one stream from its record."""

    def __init__(self, name: str, record: Mapping[str, Any], target: Target) -> None:
        self.name = name
        self.record = record
        self.builder = StreamBuilder(name, target)
        self.views: list[NkiTensor] = []
        self.files = [_of("file name", f, str) for f in _of("files", record["files"], list)]

    def stream(self) -> Stream:
        storages = [self._storage(s) for s in _of("storages", self.record["storages"], list)]
        for view in _of("views", self.record["views"], list):
            self.views.append(self._view(view))
        with tracing(self.builder):
            for number, call in enumerate(_of("calls", self.record["calls"], list)):
                self._issue(number, call)
        inputs = [_item("input", storages, i) for i in _ints("inputs", self.record["inputs"])]
        outputs = [_item("output", storages, i) for i in _ints("outputs", self.record["outputs"])]
        return self._guarded("finishing", lambda: self._finish(inputs, outputs))

    def _finish(self, inputs: list[NkiTensor], outputs: list[NkiTensor]) -> Stream:
        for tensor in outputs:
            self.builder.mark_output(tensor)
        return self.builder.finish(inputs)

    def _guarded(self, what: str, action: Callable[[], Any]) -> Any:
        """Run what re-checks the rules; a broken rule means an altered file."""
        try:
            return action()
        except (KernelError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise FormatError(
                f"loading stream {self.name}: {what}: {error}; the file is damaged or altered, "
                "make it again"
            ) from None

    def _storage(self, record: Any) -> NkiTensor:
        _keys(f"storage of {self.name}", record, _STORAGE_KEYS)
        label = _of("storage name", record["name"], str)
        shape = _ints("storage shape", record["shape"])
        kind = DTYPES.get(record["dtype"])
        if kind is None or record["memory"] not in ("hbm", "sbuf", "psum"):
            raise _damaged(label, f"{record['dtype']} in {record['memory']}", "a known kind")
        if record["role"] not in _ROLES:
            raise _damaged(label, f"role {record['role']!r}", " or ".join(_ROLES))
        pinned, strides = record["pinned"], record["strides"]
        place: Any = None if pinned is None else _ints("pinned address", pinned, 2)
        steps = None if strides is None else _ints("strides", strides, len(shape))
        data = self._data(label, record["data"], shape, kind.numpy)
        if (data is not None) != (record["role"] == "constant"):
            raise _damaged(label, "data or none", "data for a constant and only for it")
        return self._guarded(
            f"storage {label}",
            lambda: self.builder.storage(
                shape, kind, record["memory"], label, record["role"], place, steps, data
            ),
        )

    def _data(self, name: str, text: Any, shape: tuple[int, ...], kind: np.dtype) -> Any:
        if text is None:
            return None
        raw = self._guarded(f"data of {name}", lambda: base64.b64decode(text, validate=True))
        if len(raw) != math.prod(shape) * kind.itemsize:
            raise _damaged(name, f"{len(raw)} bytes of data", f"{math.prod(shape)} elements")
        return np.frombuffer(raw, kind).reshape(shape).copy()

    def _view(self, record: Any) -> NkiTensor:
        fields = _of("view", record, list)
        if len(fields) != 7:
            raise _damaged(self.name, f"a view of {len(fields)} fields", "7")
        index, kind, shape, strides, offset, partition, picked = fields
        if kind not in DTYPES:
            raise _damaged(self.name, f"a view of dtype {kind!r}", "a known dtype")
        storage = _item("storage", self.builder.storages, index)
        sizes = _ints("view shape", shape)
        view = NkiTensor.of(
            storage,
            DTYPES[kind],
            sizes,
            _ints("view strides", strides, len(sizes)),
            _of("view offset", offset, int),
            _of("view partition", partition, int),
            None if picked is None else self._indirection(picked),
        )
        if any(size < 1 for size in sizes):
            raise _damaged(self.name, f"a view of shape {sizes}", "sizes above 0")
        self._guarded("a view", view.check_bounds)
        return view

    def _indirection(self, record: Any) -> Indirection:
        name, *values = _of("run-time address", record, list) or [None]
        kind = _INDIRECTIONS.get(name)
        if kind is None or len(values) != len(dataclasses.fields(kind)):
            raise _damaged(self.name, f"run-time address {record}", "a known kind")
        found = []
        for field, value in zip(dataclasses.fields(kind), values, strict=True):
            if field.name == "index":
                found.append(_item("view", self.views, value))
            elif isinstance(value, int):
                found.append(value)
            elif isinstance(value, list):
                found.append(_ints("layout", value))
            else:
                raise _damaged(self.name, f"run-time address {record}", "numbers")
        made: Indirection = kind(*found)
        return made

    def _issue(self, number: int, record: Any) -> None:
        fields = _of("call", record, list)
        if len(fields) != 4:
            raise _damaged(self.name, f"call {number} of {len(fields)} fields", "4")
        op, file, line, arguments = fields
        call = INSTRUCTIONS.get(op) if isinstance(op, str) else None
        if call is None:
            known = ", ".join(sorted(INSTRUCTIONS))
            raise _damaged(self.name, f"instruction {op!r}", f"one of {known}", "use a newer glia")
        at = (_item("file", self.files, file), _of("line", line, int))
        values = {k: self._value(v) for k, v in _of("arguments", arguments, dict).items()}
        function: Callable[..., Any] = call.__wrapped__  # type: ignore[attr-defined]
        self._guarded(f"call {number} ({op})", lambda: self.builder.issue(op, function, values, at))

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            return tuple(self._value(v) for v in value)
        if not isinstance(value, dict):
            return value
        if len(value) != 1:
            raise _damaged(self.name, f"argument {value!r}", "one tag")
        [(tag, content)] = value.items()
        if tag == "view":
            return _item("view", self.views, content)
        if tag == "op" and content in TOKENS:
            return TOKENS[content]
        if tag == "float" and content in ("inf", "-inf", "nan"):
            return float(content)
        if tag == "enum":
            kind, _, member = _of("enum", content, str).partition(".")
            if kind in _ENUMS and member in _ENUMS[kind].__members__:
                return _ENUMS[kind][member]
        raise _damaged(self.name, f"argument {value!r}", "a known view, op, float or enum")


# -- checks ------------------------------------------------------------------------------------


def _damaged(name: str, got: str, expected: str, do: str = "make the file again") -> FormatError:
    return FormatError(f"loading stream {name}: got {got}, expected {expected}; {do}")


def _keys(what: str, record: Any, expected: tuple[str, ...]) -> None:
    found = _of(what, record, dict)
    wrong = sorted(set(found) ^ set(expected))
    if wrong:
        raise FormatError(
            f"loading {what}: got unknown or missing keys {', '.join(map(repr, wrong))}, expected "
            f"exactly {', '.join(expected)}; the file is damaged or from a newer glia"
        )


def _of(what: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise FormatError(
            f"loading a stream: {what}: got {type(value).__name__}, expected {kind.__name__}; "
            "the file is damaged or altered, make it again"
        )
    return value


def _ints(what: str, value: Any, count: int | None = None) -> tuple[int, ...]:
    found = tuple(_of(what, v, int) for v in _of(what, value, list))
    if count is not None and len(found) != count:
        raise _damaged(what, f"{len(found)} numbers", str(count))
    return found


def _item(what: str, items: list[Any], index: Any) -> Any:
    if not 0 <= _of(what, index, int) < len(items):
        raise _damaged(what, f"number {index}", f"0..{len(items) - 1}")
    return items[index]
