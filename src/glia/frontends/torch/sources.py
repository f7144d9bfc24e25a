"""Where in the user's code an fx node comes from: source line and module path.

The line is the innermost frame of the user's own files; when the stack has none (a library's model
called directly), the innermost frame outside PyTorch.
"""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path
from types import TracebackType

import torch
import torch.fx

from glia.core.records import SourceLine

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in [^\n]*\n\s*(?P<code>[^\n]*)')
# Dynamo starts a path with the variable that holds the model: L['self'].encoder
_VARIABLE = re.compile(r"^[LG]\['[^']*'\]\.?")
_TORCH = str(Path(torch.__file__).parent)
_HERE = str(Path(__file__).parents[2])
_PYTHON = sysconfig.get_paths()["stdlib"]
_LIBRARIES = tuple({sysconfig.get_paths()[key] for key in ("purelib", "platlib", "stdlib")})


def source_of(node: torch.fx.Node) -> SourceLine | None:
    """The user's line that made the node, if it is known."""
    frames = [
        SourceLine(m["file"], int(m["line"]), m["code"].strip())
        for m in _FRAME.finditer(node.meta.get("stack_trace") or "")
    ]
    return innermost(frames)


def innermost(frames: list[SourceLine]) -> SourceLine | None:
    """The innermost frame in the user's own files, else the innermost outside PyTorch and glia."""
    outside = [f for f in frames if is_outside(f.file)]
    own = [f for f in outside if not f.file.startswith(_LIBRARIES)]
    chosen = own or outside
    return chosen[-1] if chosen else None


def is_outside(file: str) -> bool:
    """True for files of the user or of libraries, not of PyTorch, glia or Python itself."""
    return not file.startswith((_TORCH, _HERE, "<")) and not _is_of_python(file)


def is_of_torch(file: str) -> bool:
    """True for PyTorch's own files."""
    return file.startswith(_TORCH)


def _is_of_python(file: str) -> bool:
    """True for the standard library, below which packages are installed as well."""
    return file.startswith(_PYTHON) and "-packages" not in file


def source_of_error(error: BaseException) -> SourceLine | None:
    """The user's line at which an exception was raised."""
    frames: list[SourceLine] = []
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        frames.append(SourceLine(trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    return innermost(frames)


def layer_of(node: torch.fx.Node) -> str:
    """The path of the innermost module that made the node, e.g. `encoder.layer.0.output.dense`."""
    stack = node.meta.get("nn_module_stack") or {}
    paths = [entry[0] for entry in stack.values()]
    return _VARIABLE.sub("", str(paths[-1])) if paths else ""
