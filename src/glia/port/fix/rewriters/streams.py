"""Rewriters for waiting, streams, events and marks in a profile."""

from __future__ import annotations

import ast

from glia.port.fix.editing.edits import Fix, Refusal, replace
from glia.port.fix.registry import rewrites
from glia.port.fix.rewriters.common import NOT_CALLED, renamed
from glia.port.rules.conditions import is_called
from glia.port.source.hits import Hit

_STREAMS = {
    "torch.cuda.Stream": "Stream",
    "torch.cuda.streams.Stream": "Stream",
    "torch.cuda.stream": "stream",
    "torch.cuda.current_stream": "current_stream",
}
_METHODS = ("wait_stream", "wait_event", "record_stream")
_RANGES = {
    "torch.cuda.nvtx.range": "trace_range",
    "torch.cuda.nvtx.range_push": "trace_push",
    "torch.cuda.nvtx.range_pop": "trace_pop",
    "torch.cuda.nvtx.mark": "trace_mark",
}
_ACTIVITIES = ("torch.profiler.ProfilerActivity.CUDA", "torch.autograd.ProfilerActivity.CUDA")


@rewrites("C016", share="yes")
def synchronize(hit: Hit) -> Fix | Refusal | None:
    """`torch.cuda.synchronize()`."""
    return renamed(hit, "synchronize")


@rewrites("C024", share="partly")
def make_stream(hit: Hit) -> Fix | Refusal | None:
    """`torch.cuda.Stream()`, `with torch.cuda.stream(s):`."""
    name = _STREAMS.get(hit.key)
    return renamed(hit, name) if name else Refusal("this form of a stream is CUDA's own")


@rewrites("C025", share="partly")
def use_stream(hit: Hit) -> Fix | Refusal | None:
    """`torch.cuda.current_stream()`, `a.wait_stream(b)`, `x.record_stream(s)`."""
    if hit.kind == "method":
        call = hit.call
        if hit.key not in _METHODS or call is None or len(call.args) != 1 or call.keywords:
            return NOT_CALLED
        if not isinstance(hit.node, ast.Attribute) or isinstance(call.args[0], ast.Starred):
            return NOT_CALLED
        return replace(call, f"@{hit.key}({{x}}, {{other}})", x=hit.node.value, other=call.args[0])
    name = _STREAMS.get(hit.key)
    return renamed(hit, name) if name else Refusal("which stream is the default is CUDA's own")


@rewrites("C026", share="yes")
def make_event(hit: Hit) -> Fix | Refusal | None:
    """`torch.cuda.Event(enable_timing=True)`."""
    return renamed(hit, "Event")


@rewrites("C130", share="partly")
def mark_range(hit: Hit) -> Fix | Refusal | None:
    """Ranges of NVTX."""
    name = _RANGES.get(hit.key)
    if name is None or hit.kind != "use":
        return Refusal("this part of NVTX has no likeness elsewhere")
    return renamed(hit, name)


@rewrites("C131", share="partly")
def profile_device(hit: Hit) -> Fix | Refusal | None:
    """`ProfilerActivity.CUDA`, and `use_cuda=True` of the older profiler."""
    if hit.kind == "keyword" and isinstance(hit.node, ast.keyword):
        is_true = isinstance(hit.node.value, ast.Constant) and hit.node.value.value is True
        return replace(hit.node.value, "@is_cuda()") if is_true else NOT_CALLED
    if hit.key in _ACTIVITIES and not is_called(hit):
        return replace(hit.node, "@profiler_activity()")
    return Refusal("it steers a profiler of CUDA")
