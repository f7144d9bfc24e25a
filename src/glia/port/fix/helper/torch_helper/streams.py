"""Streams, events, and marks in a profile."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import torch

from glia.port.fix.helper.torch_helper.device import _CUDA, kind
from glia.port.fix.helper.torch_helper.memory import synchronize


class _NoStream:
    """Stands for a stream where work is done in order: there is nothing to wait for."""

    def wait_stream(self, stream: Any) -> None:
        pass

    def wait_event(self, event: Any) -> None:
        pass

    def synchronize(self) -> None:
        synchronize()

    def query(self) -> bool:
        return True

    def record_event(self, event: Any = None) -> Any:
        event = event or Event()
        event.record()
        return event


def Stream(*args: Any, **kwargs: Any) -> Any:
    """A stream of CUDA; elsewhere one that does nothing."""
    if kind() == _CUDA:
        return torch.cuda.Stream(*args, **kwargs)
    return _NoStream()


def current_stream(*args: Any, **kwargs: Any) -> Any:
    """The stream that work goes to; elsewhere one that does nothing."""
    if kind() == _CUDA:
        return torch.cuda.current_stream(*args, **kwargs)
    return _NoStream()


def stream(stream: Any) -> Any:
    """A block whose work goes to this stream, for `with`."""
    if kind() == _CUDA:
        return torch.cuda.stream(stream)
    return contextlib.nullcontext()


def wait_stream(waiting: Any, other: Any) -> None:
    """`waiting.wait_stream(other)`."""
    waiting.wait_stream(other)  # glia: ignore[C025] its streams do nothing without CUDA


def wait_event(waiting: Any, event: Any) -> None:
    """`waiting.wait_event(event)`."""
    waiting.wait_event(event)  # glia: ignore[C025] its streams do nothing without CUDA


def record_stream(tensor: Any, which: Any) -> None:
    """Tell CUDA's allocator that a stream uses the tensor."""
    if kind() == _CUDA:
        tensor.record_stream(which)


class _HostEvent:
    """A point in time as the host sees it, once the device has done its work."""

    def __init__(self) -> None:
        self.time_s = 0.0

    def record(self, stream: Any = None) -> None:
        synchronize()
        self.time_s = time.perf_counter()

    def wait(self, stream: Any = None) -> None:
        pass

    def synchronize(self) -> None:
        pass

    def query(self) -> bool:
        return True

    def elapsed_time(self, end: _HostEvent) -> float:
        """Milliseconds from this event to the other."""
        return (end.time_s - self.time_s) * 1e3


def Event(*args: Any, **kwargs: Any) -> Any:
    """An event of CUDA; elsewhere the host's clock after the device has done its work."""
    if kind() == _CUDA:
        return torch.cuda.Event(*args, **kwargs)
    return _HostEvent()


def trace_range(msg: str, *args: Any, **kwargs: Any) -> Any:
    """A named block in the profile: NVTX on CUDA, else a record of torch.profiler."""
    if kind() == _CUDA:
        return torch.cuda.nvtx.range(msg, *args, **kwargs)
    return torch.profiler.record_function(msg)


def trace_push(msg: str) -> Any:
    """Begin a named part of the profile; only NVTX has this form."""
    return torch.cuda.nvtx.range_push(msg) if kind() == _CUDA else None


def trace_pop() -> Any:
    """End what `trace_push` began."""
    return torch.cuda.nvtx.range_pop() if kind() == _CUDA else None


def trace_mark(msg: str) -> Any:
    """A point in the profile; only NVTX has it."""
    return torch.cuda.nvtx.mark(msg) if kind() == _CUDA else None


def profiler_activity() -> Any:
    """What torch.profiler watches beside the host: CUDA; elsewhere the host once more."""
    kinds = torch.profiler.ProfilerActivity
    return kinds.CUDA if kind() == _CUDA else kinds.CPU
