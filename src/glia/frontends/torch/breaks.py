"""Where torch.compile would cut a model, all places at once, in its own words."""

from __future__ import annotations

import linecache
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch._dynamo
from torch._dynamo.exc import TorchDynamoException

from glia.core.records import SourceLine
from glia.frontends.operations import Break
from glia.frontends.torch.export import first_line
from glia.frontends.torch.sources import innermost, source_of_error


@dataclass(frozen=True, slots=True)
class Cuts:
    """The pieces that torch.compile makes of one call, and why it cut.

    `num_graphs` is None when torch.compile gave up altogether; `breaks` then says why.
    """

    num_graphs: int | None
    breaks: tuple[Break, ...]


def cuts(module: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Cuts:
    """Let torch.compile look at one call, with a backend that compiles nothing."""
    torch._dynamo.reset()
    try:
        with torch.no_grad():
            found = torch._dynamo.explain(module)(*args, **dict(kwargs))
    except Exception as error:  # whatever stops it is the answer
        return Cuts(None, (Break(reason_of(error), source_of_error(error)),))
    finally:
        torch._dynamo.reset()
    reasons = [Break(_words(r.reason), _place(r.user_stack)) for r in found.break_reasons]
    return Cuts(found.graph_count, tuple(dict.fromkeys(reasons)))


def _place(stack: Any) -> SourceLine | None:
    found = innermost([SourceLine(f.filename, f.lineno or 0) for f in stack or ()])
    if found is None:
        return None
    return SourceLine(found.file, found.line, linecache.getline(found.file, found.line).strip())


def reason_of(error: Exception) -> str:
    """Why torch.compile gave up, in one sentence."""
    return _words(str(error), error)


def _words(text: str, error: Exception | None = None) -> str:
    """The first sentence, and Dynamo's explanation where it gives one."""
    first = re.split(r"[\r\n]+", text.strip())[0].strip().rstrip(".")
    explained = re.search(r"Explanation:\s*([^\n]+)", text)
    if explained is not None:
        return f"{first}: {explained[1].strip().rstrip('.')}"
    if error is not None and not isinstance(error, TorchDynamoException):
        return f"{type(error).__name__}: {first_line(error)}"
    return first
