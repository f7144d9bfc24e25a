"""Waiting for the device, and its memory."""

from __future__ import annotations

import os
import platform
from typing import Any

import torch

from glia.port.fix.helper.torch_helper.device import _CUDA, _HOST, _torch_accelerator, kind


def synchronize(*args: Any, **kwargs: Any) -> None:
    """Wait until the device has done its work; the CPU always has."""
    if kind() == _CUDA:
        torch.cuda.synchronize(*args, **kwargs)
    elif kind() == "xla":
        import torch_xla

        torch_xla.sync(wait=True)
    elif kind() != _HOST and (accelerator := _torch_accelerator()):
        accelerator.synchronize()


def empty_cache() -> None:
    """Give the allocator's unused memory back, where there is such a thing."""
    if kind() == _CUDA:
        torch.cuda.empty_cache()
    elif kind() not in (_HOST, "xla") and (accelerator := _torch_accelerator()):
        getattr(accelerator, "empty_cache", lambda: None)()  # since PyTorch 2.9


def ipc_collect() -> None:
    """Give memory back that other processes no longer use, which only CUDA shares in this way."""
    if kind() == _CUDA:
        torch.cuda.ipc_collect()  # glia: ignore[C138] as before


def memory_allocated(*args: Any, **kwargs: Any) -> int:
    """Bytes in use on the device; on the CPU those of this process."""
    if kind() == _CUDA:
        return torch.cuda.memory_allocated(*args, **kwargs)
    return _memory("memory_allocated", _process_bytes)


def memory_reserved(*args: Any, **kwargs: Any) -> int:
    """Bytes that the allocator holds on the device; on the CPU those of this process."""
    if kind() == _CUDA:
        return torch.cuda.memory_reserved(*args, **kwargs)
    return _memory("memory_reserved", _process_bytes)


def max_memory_allocated(*args: Any, **kwargs: Any) -> int:
    """The most bytes in use so far; on the CPU the peak of this process, which has no reset."""
    if kind() == _CUDA:
        return torch.cuda.max_memory_allocated(*args, **kwargs)
    return _memory("max_memory_allocated", _process_peak_bytes)


def max_memory_reserved(*args: Any, **kwargs: Any) -> int:
    """The most bytes held so far; on the CPU the peak of this process, which has no reset."""
    if kind() == _CUDA:
        return torch.cuda.max_memory_reserved(*args, **kwargs)
    return _memory("max_memory_reserved", _process_peak_bytes)


def reset_peak_memory_stats(*args: Any, **kwargs: Any) -> None:
    """Start the peaks anew; the operating system keeps that of a process on the CPU."""
    if kind() == _CUDA:
        torch.cuda.reset_peak_memory_stats(*args, **kwargs)
    elif kind() != _HOST and (accelerator := _torch_accelerator()):
        getattr(accelerator, "reset_peak_memory_stats", lambda: None)()


def _memory(name: str, on_host: Any) -> int:
    """The accelerator's own counter (since PyTorch 2.9); 0 where it has none."""
    if kind() == _HOST:
        return int(on_host())
    counter = getattr(_torch_accelerator(), name, None)
    return int(counter()) if counter is not None else 0


def _process_bytes() -> int:
    """Resident bytes of this process now; where the system does not say, its peak."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return _process_peak_bytes()


def _process_peak_bytes() -> int:
    """The most resident bytes of this process so far; 0 where the system does not say."""
    try:
        import resource
    except ImportError:
        return 0
    if not hasattr(resource, "getrusage"):
        return 0  # a module of the project has its name
    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def memory_summary(*args: Any, **kwargs: Any) -> str:
    """The allocator's own table; only CUDA's allocator writes one."""
    if kind() == _CUDA:
        return torch.cuda.memory_summary(*args, **kwargs)
    return f"no table of memory on {kind()}"
