"""A pretended CUDA: `with fake_cuda() as calls:` runs code that asks for CUDA on the CPU.

Every call that would do something on CUDA is recorded with its arguments, in one spelling: what
moves a tensor is `move`, with the device that it names. Questions (is it there, is it started) are
not recorded. Numbers are those of the CPU in float32: autocast and scaling are recorded and off.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
import torch.distributed as dist
from torch.overrides import TorchFunctionMode, resolve_name

Call = tuple[Any, ...]
_TYPES = ("Float", "Double", "Half", "Long", "Int", "Byte")


def _device_text(device: Any) -> str:
    """`cuda:0` for every way to name the current device; others by their name."""
    text = f"cuda:{device}" if isinstance(device, int) else str(device)
    return "cuda:0" if text in ("cuda", "None") else text


def _is_cuda(device: Any) -> bool:
    return isinstance(device, (str, torch.device)) and str(device).startswith("cuda")


class _Devices(TorchFunctionMode):
    """Takes `cuda` out of the arguments of every function of PyTorch, and writes it down."""

    def __init__(self, calls: list[Call]) -> None:
        super().__init__()
        self.calls = calls

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = (resolve_name(func) or getattr(func, "__name__", "")).rpartition(".")[2]
        if func is torch.Tensor.cuda:
            named = {
                "device": None,
                **dict(zip(("device", "non_blocking"), args[1:], strict=False)),
                **kwargs,
            }
            self._moved(args[0], named.pop("device"), named)
            return args[0]
        if func is torch.Tensor.pin_memory:
            self.calls.append(("pin_memory", tuple(args[0].shape)))
            return args[0]
        if func is torch.device or name == "_parse_to":
            return func(*args, **kwargs)  # nothing is put there yet; Module.to moves by Tensor.to
        if name == "to" and len(args) > 1 and type(args[1]) is int:
            args = (args[0], f"cuda:{args[1]}", *args[2:])
        if type(kwargs.get("device")) is int:
            kwargs["device"] = f"cuda:{kwargs['device']}"
        given = [a for a in (*args, *kwargs.values()) if _is_cuda(a)]
        if given:
            where = _device_text(given[0])
            args = tuple("cpu" if _is_cuda(a) else a for a in args)
            kwargs = {k: "cpu" if _is_cuda(v) else v for k, v in kwargs.items()}
            if name == "to":
                rest = {k: v for k, v in kwargs.items() if k != "device"}
                self._moved(args[0], where, rest, args[2:])
            else:
                self.calls.append((name, where))
        return func(*args, **kwargs)

    def _moved(self, tensor, device, rest, more=()) -> None:
        non_blocking = bool(rest.get("non_blocking", False) or (True in more))
        self.calls.append(("move", tuple(tensor.shape), _device_text(device), non_blocking))


class _Stream:
    def __init__(self, calls: list[Call], name: str) -> None:
        self.calls, self.name = calls, name

    def __str__(self) -> str:
        return self.name

    def wait_stream(self, other: Any) -> None:
        self.calls.append(("wait_stream", self.name, str(other)))

    def synchronize(self) -> None:
        self.calls.append(("stream.synchronize", self.name))


class _Event:
    def __init__(self, calls: list[Call], **options: Any) -> None:
        self.calls = calls
        calls.append(("Event", tuple(sorted(options.items()))))

    def record(self, stream: Any = None) -> None:
        self.time_s = time.perf_counter()
        self.calls.append(("event.record", str(stream)))

    def synchronize(self) -> None:
        self.calls.append(("event.synchronize",))

    def elapsed_time(self, end: _Event) -> float:
        self.calls.append(("event.elapsed_time",))
        return (end.time_s - self.time_s) * 1e3


def _recorder(calls: list[Call], name: str, result: Any = None) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        calls.append((name, tuple(map(_shown, args)), tuple(sorted(kwargs.items()))))
        return result() if callable(result) else result

    return call


def _shown(value: Any) -> Any:
    """Devices by their names; a tensor or a stream by its text."""
    if isinstance(value, torch.device) or _is_cuda(value):
        return _device_text(value)
    return value if isinstance(value, (int, float, str, type(None))) else type(value).__name__


_REAL_AUTOCAST = torch.autocast


def _autocast(calls: list[Call], *, old: bool) -> Any:
    def make(*args: Any, **kwargs: Any) -> Any:
        names = ("enabled", "dtype", "cache_enabled")
        if not old:
            names = ("device_type", "dtype", "enabled", "cache_enabled")
        named = {**dict(zip(names, args, strict=False)), **kwargs}
        calls.append(
            (
                "autocast",
                named.get("device_type", "cuda"),
                str(named.get("dtype") or torch.float16),
                bool(named.get("enabled", True)),
                named.get("cache_enabled") is not False,
            )
        )
        return _REAL_AUTOCAST("cpu", enabled=False)

    return make


_REAL_SCALER = torch.amp.GradScaler


def _scaler(calls: list[Call], *, old: bool) -> Any:
    def make(*args: Any, **kwargs: Any) -> Any:
        if not old:
            device, *args = args or [kwargs.pop("device", "cuda")]
        calls.append(
            ("GradScaler", "cuda" if old else device, tuple(args), tuple(sorted(kwargs.items())))
        )
        return _REAL_SCALER("cpu", enabled=False)

    return make


def _typed(calls: list[Call], name: str) -> Any:
    def make(*args: Any) -> torch.Tensor:
        calls.append((f"cuda.{name}", tuple(map(_shown, args))))
        return getattr(torch, name)(*args)

    return make


@contextlib.contextmanager
def fake_cuda() -> Iterator[list[Call]]:
    """A machine with two devices of CUDA; what is called there fills the list."""
    calls: list[Call] = []
    flags = _flags()
    with contextlib.ExitStack() as stack:
        for name, value in _functions(calls).items():
            stack.enter_context(mock.patch(f"torch.cuda.{name}", value, create=True))
        for path, value in _elsewhere(calls).items():
            stack.enter_context(mock.patch(path, value))
        stack.enter_context(_Devices(calls))
        yield calls
        calls.append(("flags", *_flags()))
    _set_flags(flags)


def _functions(calls: list[Call]) -> dict[str, Any]:
    """What stands for the functions of torch.cuda."""
    state = torch.get_rng_state()
    current = _Stream(calls, "current")
    streams = iter(range(100))
    results: dict[str, Any] = {
        "synchronize": None, "empty_cache": None, "set_device": None, "manual_seed": None,
        "manual_seed_all": None, "reset_peak_memory_stats": None, "memory_allocated": 1 << 20,
        "max_memory_allocated": 2 << 20, "memory_reserved": 3 << 20, "max_memory_reserved": 4 << 20,
        "get_device_name": "pretended", "is_bf16_supported": True, "get_rng_state": state,
        "set_rng_state": None, "set_rng_state_all": None, "memory_summary": "summary",
    }  # fmt: skip
    return {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "device_count": lambda: 2,
        "current_device": lambda: 0,
        **{name: _recorder(calls, name, result) for name, result in results.items()},
        "get_rng_state_all": _recorder(calls, "get_rng_state_all", lambda: [state, state]),
        "device": _recorder(calls, "device", contextlib.nullcontext),
        "stream": _recorder(calls, "stream", contextlib.nullcontext),
        "current_stream": lambda *_: current,
        "Stream": lambda *_: _Stream(calls, f"stream {next(streams)}"),
        "Event": lambda **options: _Event(calls, **options),
        "nvtx.range": _recorder(calls, "nvtx.range", contextlib.nullcontext),
        "amp.autocast": _autocast(calls, old=True),
        "amp.GradScaler": _scaler(calls, old=True),
        **{f"{kind}Tensor": _typed(calls, f"{kind}Tensor") for kind in _TYPES},
    }


def _elsewhere(calls: list[Call]) -> dict[str, Any]:
    """What stands for other functions that know CUDA."""

    def record_stream(tensor: torch.Tensor, stream: Any) -> None:
        calls.append(("record_stream", tuple(tensor.shape), str(stream)))

    real_init, real_load = dist.init_process_group, torch.load
    real_ddp = torch.nn.parallel.DistributedDataParallel

    def init(backend: Any = None, **options: Any) -> None:
        calls.append(("init_process_group", backend))
        real_init("gloo", **options)

    def ddp(module: Any, **options: Any) -> Any:
        calls.append(("DDP", tuple(sorted((k, str(v)) for k, v in options.items()))))
        plain = {k: v for k, v in options.items() if k not in ("device_ids", "output_device")}
        return real_ddp(module, **plain)

    def load(file: Any, map_location: Any = None, **options: Any) -> Any:
        calls.append(("load", str(map_location)))
        return real_load(file, map_location=map_location, **options)

    def compile_model(model: Any = None, *, backend: str = "inductor", **options: Any) -> Any:
        calls.append(("compile", backend, tuple(sorted(options.items()))))
        return model

    class Loader(torch.utils.data.DataLoader):
        def __init__(self, *args: Any, pin_memory: bool = False, **options: Any) -> None:
            calls.append(("DataLoader", pin_memory))
            super().__init__(*args, **options)

    return {
        "torch.Tensor.record_stream": record_stream,
        "torch.autocast": _autocast(calls, old=False),
        "torch.amp.autocast": _autocast(calls, old=False),
        "torch.amp.GradScaler": _scaler(calls, old=False),
        "torch.distributed.init_process_group": init,
        "torch.nn.parallel.DistributedDataParallel": ddp,
        "torch.load": load,
        "torch.compile": compile_model,
        "torch.utils.data.DataLoader": Loader,
    }


def _flags() -> tuple[bool, ...]:
    cudnn = torch.backends.cudnn
    matmul = torch.backends.cuda.matmul
    return (cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32)


def _set_flags(flags: tuple[bool, ...]) -> None:
    cudnn = torch.backends.cudnn
    cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32 = flags[:3]
    torch.backends.cuda.matmul.allow_tf32 = flags[3]
