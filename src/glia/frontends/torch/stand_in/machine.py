"""The stand-in as a whole: what torch.cuda answers, and what PyTorch is told about devices.

Everything is put back afterwards. PyTorch's own code hears the truth about this machine all the
time, so it never takes a way that needs a GPU.
"""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
import torch.utils._device
from torch.amp import autocast_mode

from glia.chips import load_chip
from glia.core.records import SourceLine
from glia.frontends.torch.stand_in.devices import (
    OnTheCpu,
    answering,
    is_cuda,
    note,
    on_cpu,
)
from glia.frontends.torch.stand_in.idle import Idle

# What an A100 answers beside its memory (NVIDIA, CUDA C++ programming guide; A100 data sheet).
_CHIP = "a100"
_NAME = "NVIDIA A100-SXM4-80GB (a stand-in: glia on a CPU)"
_CAPABILITY = (8, 0)
_MULTIPROCESSORS = 108
_IDLE_CLASSES = ("Stream", "Event", "ExternalStream", "CUDAGraph", "graph", "device", "device_of")
_OLD_TYPES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")


@dataclass(frozen=True, slots=True)
class StandIn:
    """The lines of the user that asked for a CUDA device and were given the CPU, with how often."""

    asked: Counter[SourceLine] = field(default_factory=Counter)


@contextmanager
def standing_in() -> Iterator[StandIn]:
    """Inside, this thread's code finds one CUDA device, which is the CPU."""
    found = StandIn()
    with ExitStack() as changes:
        for owner, name, value in (*_functions(found.asked), *_classes(), *_ways_in(found.asked)):
            changes.enter_context(patch.object(owner, name, value))
        changes.enter_context(OnTheCpu(found.asked))
        yield found


def _functions(asked: Counter[SourceLine]) -> Iterator[tuple[Any, str, Any]]:
    for name, value in _answers().items():
        original = getattr(torch.cuda, name, None)
        if original is not None:
            yield torch.cuda, name, answering(original, _giving(value), asked)


def _giving(value: Any) -> Callable[..., Any]:
    if isinstance(value, types.FunctionType | types.BuiltinFunctionType):
        return value
    return lambda *args, **kwargs: value


def _answers() -> dict[str, Any]:
    """Functions of torch.cuda by name: what they give, or a function that gives it."""
    nothing = dict.fromkeys(_WITHOUT_A_RESULT)
    zero = dict.fromkeys(_NONE_IN_USE, 0)
    capacity = load_chip(_CHIP).memory.capacity
    num_bytes = 0 if capacity is None else int(capacity.value)
    properties = types.SimpleNamespace(
        name=_NAME,
        major=_CAPABILITY[0],
        minor=_CAPABILITY[1],
        total_memory=num_bytes,
        multi_processor_count=_MULTIPROCESSORS,
    )
    return {
        **nothing,
        **zero,
        "is_available": True,
        "is_initialized": True,
        "is_bf16_supported": True,
        "device_count": 1,
        "get_device_name": _NAME,
        "get_device_capability": _CAPABILITY,
        "get_device_properties": properties,
        "get_arch_list": [],
        "can_device_access_peer": False,
        "is_current_stream_capturing": False,
        "list_gpu_processes": "",
        "mem_get_info": (num_bytes, num_bytes),
        "memory_stats": {},
        "memory_summary": "",
        "memory_snapshot": [],
        "current_stream": Idle(),
        "default_stream": Idle(),
        "stream": Idle(),
        "initial_seed": torch.initial_seed,
        "get_rng_state": lambda *args, **kwargs: torch.get_rng_state(),
        "get_rng_state_all": lambda: [torch.get_rng_state()],
        "make_graphed_callables": lambda callables, *args, **kwargs: callables,
        "graph_pool_handle": (0, 0),
    }


_WITHOUT_A_RESULT = (
    *("init", "synchronize", "empty_cache", "ipc_collect", "set_device", "set_stream"),
    *("manual_seed", "manual_seed_all", "seed", "seed_all", "set_rng_state", "set_rng_state_all"),
    *("reset_peak_memory_stats", "reset_max_memory_allocated", "reset_max_memory_cached"),
    *("reset_accumulated_memory_stats", "set_per_process_memory_fraction", "_sleep"),
)
_NONE_IN_USE = (
    *("current_device", "memory_allocated", "max_memory_allocated", "memory_reserved"),
    *("max_memory_reserved", "memory_cached", "max_memory_cached", "utilization"),
    *("memory_usage", "device_memory_used", "temperature", "power_draw", "clock_rate"),
    *("current_blas_handle",),
)


def _classes() -> Iterator[tuple[Any, str, Any]]:
    for name in _IDLE_CLASSES:
        yield torch.cuda, name, Idle
    for prefix in _OLD_TYPES:
        yield torch.cuda, f"{prefix}Tensor", getattr(torch, f"{prefix}Tensor")
    yield torch, "Generator", _generator_class()
    for name in ("range_push", "range_pop", "mark", "range_start", "range_end"):
        yield torch.cuda.nvtx, name, _giving(0)
    yield torch.cuda.nvtx, "range", Idle


def _generator_class() -> type:
    class Generator(torch.Generator):
        def __new__(cls, device: Any = "cpu") -> Any:
            return super().__new__(cls, on_cpu(device))  # type: ignore[call-arg]

    return Generator


def _ways_in(asked: Counter[SourceLine]) -> Iterator[tuple[Any, str, Any]]:
    """Where devices enter PyTorch without being an argument of a call that modes see."""
    default, load, cast = torch.utils._device.DeviceContext, torch.load, autocast_mode.autocast
    enter, init, old = default.__init__, cast.__init__, torch.set_default_tensor_type
    move = torch.nn.Module.to

    def with_device(self: Any, device: Any) -> None:
        enter(self, on_cpu(torch.device(device) if isinstance(device, str) else device))

    def load_here(f: Any, map_location: Any = None, *args: Any, **kwargs: Any) -> Any:
        return load(f, "cpu", *args, **kwargs)

    def cast_here(
        self: Any,
        device_type: str,
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:  # the names of PyTorch's own, by which torch.compile binds the arguments
        if is_cuda(device_type):
            device_type, dtype = "cpu", dtype or torch.float16  # the default of CUDA
        init(self, device_type, dtype, enabled, cache_enabled)

    def move_here(self: Any, *args: Any, **kwargs: Any) -> Any:
        if any(map(is_cuda, (*args, *kwargs.values()))) or int in map(type, args[:1]):
            note(asked)
        return move(self, *map(on_cpu, args), **{k: on_cpu(v) for k, v in kwargs.items()})

    yield torch.nn.Module, "to", move_here
    yield torch.Tensor, "record_stream", lambda self, stream: None
    yield default, "__init__", with_device
    yield torch, "load", load_here
    yield cast, "__init__", cast_here
    yield torch, "set_default_tensor_type", lambda t: old(on_cpu(t))
