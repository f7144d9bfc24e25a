"""A pretended CUDA: `with fake_cuda() as calls:` runs code that asks for CUDA on the CPU.

Everything that torch.cuda has is replaced by something that writes down how it was called, with
its arguments in one spelling: functions, streams, events, memory, generators, NVTX, graphs. Only
`is_available`, `is_initialized` and `device_count`, which ask without doing anything, are not
written down. Autocast and GradScaler are PyTorch's own: what is written down is the state that they
put PyTorch into. Numbers are those of the CPU in float32.
"""

from __future__ import annotations

import contextlib
import inspect
import time
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
import torch._dynamo  # its tables hold torch.cuda's own functions, so it is imported before
import torch.distributed as dist

from port.fix.fake_tensors import Call, Devices, device_text, is_cuda, put

_TYPES = ("Float", "Double", "Half", "Long", "Int", "Byte", "Short", "Bool", "Char", "BFloat16")
_SUBMODULES = ("", "memory.", "random.", "nvtx.", "profiler.")
_SCALER = ("scale", "unscale_", "step", "update")


class _Recorded:
    """Something of CUDA: every call of a method is written down, under the thing's own name."""

    def __init__(self, calls: list[Call], name: str, **results: Any) -> None:
        self.__dict__.update(_calls=calls, _name=name, _results=results)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _recorder(self._calls, f"{self._name}.{name}", self._results.get(name))

    def __enter__(self) -> Any:
        self._calls.append((f"{self._name}.enter",))
        return self

    def __exit__(self, *_: object) -> None:
        self._calls.append((f"{self._name}.exit",))

    def __str__(self) -> str:
        return self._name


def _recorder(calls: list[Call], name: str, result: Any = None, like: Any = None) -> Any:
    """Writes its calls down; as `like` names its arguments, where that is given."""
    names = inspect.signature(like) if like is not None else None

    def call(*args: Any, **kwargs: Any) -> Any:
        if names is not None:
            bound = names.bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = (), _one_spelling(bound.arguments)
        shown = tuple((k, _shown(v)) for k, v in sorted(kwargs.items()))
        calls.append((name, tuple(map(_shown, args)), shown))
        return result() if callable(result) else result

    return call


def _one_spelling(named: dict[str, Any]) -> dict[str, Any]:
    is_number = type(named.get("device")) is int
    return {**named, "device": device_text(named["device"])} if is_number else named


def _shown(value: Any) -> Any:
    """Devices by their names; a tensor or a stream by its text."""
    if isinstance(value, torch.device) or is_cuda(value):
        return device_text(value)
    if isinstance(value, _Recorded):
        return str(value)
    if isinstance(value, (list, tuple)):
        return tuple(map(_shown, value))
    return value if isinstance(value, (int, float, str, type(None))) else type(value).__name__


@contextlib.contextmanager
def fake_cuda() -> Iterator[list[Call]]:
    """A machine with two devices of CUDA; what is called there fills the list."""
    calls: list[Call] = []
    flags = get_flags()
    with contextlib.ExitStack() as stack:
        patches = {f"torch.cuda.{k}": v for k, v in {**_all(calls), **_known(calls)}.items()}
        for path, value in {**patches, **_elsewhere(calls)}.items():
            stack.enter_context(mock.patch(path, value, create=True))
        stack.enter_context(Devices(calls))
        stack.callback(set_flags, flags)
        yield calls
        calls.append(("flags", *get_flags()))


def _all(calls: list[Call]) -> dict[str, Any]:
    """Every function of torch.cuda that the next list does not know."""
    found = {}
    state = torch.get_rng_state()
    results = {
        "get_rng_state": lambda: state,
        "get_rng_state_all": lambda: [state, state],
        **_SMALL,
    }
    for module in _SUBMODULES:
        owner = getattr(torch.cuda, module.rstrip("."), torch.cuda)
        for name in dir(owner):
            value = getattr(owner, name)
            own = (getattr(value, "__module__", None) or "").startswith("torch.cuda")
            if inspect.isfunction(value) and own and not name.startswith("_"):
                path = name if module in ("memory.", "random.") else f"{module}{name}"
                found[f"{module}{name}"] = _recorder(calls, path, results.get(name), value)
    return found


# What the functions give that programs do something with.
_SMALL: dict[str, Any] = {
    "memory_allocated": 1 << 20, "max_memory_allocated": 2 << 20, "memory_reserved": 3 << 20,
    "max_memory_reserved": 4 << 20, "mem_get_info": (1 << 30, 1 << 31), "current_device": 0,
    "get_device_name": "pretended", "is_bf16_supported": True, "memory_summary": "summary",
    "get_device_capability": (9, 0), "initial_seed": 1, "get_arch_list": lambda: ["sm_90"],
    "memory_stats": dict, "utilization": 0, "is_current_stream_capturing": False,
}  # fmt: skip


def _known(calls: list[Call]) -> dict[str, Any]:
    """What has a state, or gives something that is used further."""
    current = _Recorded(calls, "current stream", query=True)
    streams, events = iter(range(100)), iter(range(100))

    def stream(*args: Any, **kwargs: Any) -> _Recorded:
        name = f"stream {next(streams)}"
        _recorder(calls, f"new {name}")(*args, **kwargs)
        return _Recorded(calls, name, query=True, record_event=lambda: event())

    def event(*args: Any, **kwargs: Any) -> _Event:
        name = f"event {next(events)}"
        _recorder(calls, f"new {name}")(*args, **kwargs)
        return _Event(calls, name, query=True)

    return {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "device_count": lambda: 2,
        "current_device": _recorder(calls, "current_device", 0),
        "device": _device_class(calls),
        "stream": _recorder(
            calls, "stream", lambda: _Recorded(calls, "in stream"), torch.cuda.stream
        ),
        "current_stream": _recorder(calls, "current_stream", lambda: current),
        "default_stream": _recorder(calls, "default_stream", lambda: current),
        "get_device_properties": _recorder(
            calls, "get_device_properties", lambda: mock.Mock(total_memory=1 << 31, major=9)
        ),
        "Stream": stream,
        "Event": event,
        "CUDAGraph": lambda *a: _Recorded(calls, "graph"),
        "graph": _recorder(calls, "graph", lambda: _Recorded(calls, "in graph")),
        "nvtx.range": _recorder(
            calls, "nvtx.range", lambda: _Recorded(calls, "in range"), torch.cuda.nvtx.range
        ),
        "amp.common.amp_definitely_not_available": lambda: False,
        **{f"{kind}Tensor": _typed(calls, f"{kind}Tensor") for kind in _TYPES},
    }


def _device_class(calls: list[Call]) -> type:
    """`torch.cuda.device`: PyTorch itself asks whether something is one."""

    class Block:
        def __init__(self, device: Any) -> None:
            calls.append(("device", device_text(device)))

        def __enter__(self) -> None:
            calls.append(("device.enter",))

        def __exit__(self, *_: object) -> None:
            calls.append(("device.exit",))

    return Block


class _Event(_Recorded):
    def record(self, *args: Any) -> None:
        self.__dict__["time_s"] = time.perf_counter()
        _recorder(self._calls, f"{self._name}.record")(*args)

    def elapsed_time(self, end: _Event) -> float:
        _recorder(self._calls, f"{self._name}.elapsed_time")(end)
        return (end.time_s - self.time_s) * 1e3


def _typed(calls: list[Call], name: str) -> Any:
    def make(*args: Any) -> torch.Tensor:
        calls.append((f"cuda.{name}", tuple(map(_shown, args))))
        return put(getattr(torch, name)(*args), "cuda:0")

    make.__name__ = name
    return make


# -- what is not part of torch.cuda --------------------------------------------------------------


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
        place = "function" if callable(map_location) else str(map_location)
        calls.append(("load", place))
        return real_load(file, map_location=map_location, **options)

    def compile_model(model: Any = None, *, backend: str = "inductor", **options: Any) -> Any:
        calls.append(("compile", backend, tuple(sorted(options.items()))))
        return model if model is not None else lambda given: given

    class Loader(torch.utils.data.DataLoader):
        def __init__(self, *args: Any, pin_memory: bool = False, **options: Any) -> None:
            calls.append(("DataLoader", pin_memory))
            super().__init__(*args, **options)

    def default_type(kind: Any) -> None:
        name = kind.rpartition(".")[2] if isinstance(kind, str) else kind.__name__
        calls.append(("set_default_tensor_type", name))

    return {
        "torch.Tensor.record_stream": record_stream,
        "torch.distributed.init_process_group": init,
        "torch.nn.parallel.DistributedDataParallel": ddp,
        "torch.load": load,
        "torch.compile": compile_model,
        "torch.utils.data.DataLoader": Loader,
        "torch.set_default_tensor_type": default_type,
        **_casting(calls),
    }


def _casting(calls: list[Call]) -> dict[str, Any]:
    """PyTorch's own autocast and GradScaler: which class, and what state they bring about."""
    autocast, scaler = torch.amp.autocast_mode.autocast, torch.amp.GradScaler
    enter, leave, init = autocast.__enter__, autocast.__exit__, scaler.__init__

    def entered(self: Any) -> Any:
        result = enter(self)
        calls.append(("autocast", _kind(self), *_casts(self.device)))
        return result

    def left(self: Any, *error: Any) -> Any:
        result = leave(self, *error)
        calls.append(("autocast left", *_casts(self.device)))
        return result

    def made(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        state = {k: v for k, v in vars(self).items() if isinstance(v, (str, int, float))}
        calls.append(("GradScaler", _kind(self), tuple(sorted(state.items()))))

    methods = {name: _watched(calls, getattr(scaler, name)) for name in _SCALER}
    return {
        "torch.amp.autocast_mode.autocast.__enter__": entered,
        "torch.amp.autocast_mode.autocast.__exit__": left,
        "torch.amp.GradScaler.__init__": made,
        **{f"torch.amp.GradScaler.{name}": method for name, method in methods.items()},
    }


def _watched(calls: list[Call], method: Any) -> Any:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append((f"scaler.{method.__name__}", tuple(map(_shown, args))))
        return method(self, *args, **kwargs)

    return call


def _kind(thing: Any) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def _casts(device: str) -> tuple[Any, ...]:
    with torch._C.DisableTorchFunction():
        return (
            device,
            torch.is_autocast_enabled(device),
            str(torch.get_autocast_dtype(device)),
            torch.is_autocast_cache_enabled(),
        )


def get_flags() -> tuple[bool, ...]:
    cudnn = torch.backends.cudnn
    matmul = torch.backends.cuda.matmul
    return (
        cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32,
    )  # fmt: skip


def set_flags(flags: tuple[bool, ...]) -> None:
    cudnn = torch.backends.cudnn
    cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32 = flags[:4]
    torch.backends.cuda.matmul.allow_tf32 = flags[4]
