"""Tensors that pretend to lie on CUDA: they are on the CPU and say otherwise.

What makes a tensor there, moves it there or is computed from one that is there lies there too, so
that `x.is_cuda` and `x.device` answer as on CUDA. Every call that names CUDA is written down.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode, resolve_name

Call = tuple[Any, ...]
_Tensor = torch.Tensor
_QUESTIONS = {
    _Tensor.is_cuda.__get__: lambda place: place is not None,  # type: ignore[attr-defined]
    _Tensor.is_cpu.__get__: lambda place: place is None,  # type: ignore[attr-defined]
    _Tensor.device.__get__: lambda place: torch.device("cpu" if place is None else place),
    _Tensor.get_device: lambda place: -1 if place is None else torch.device(place).index,
}


def device_text(device: Any) -> str:
    """`cuda:0` for every way to name the current device; others by their name."""
    text = f"cuda:{device}" if type(device) is int else str(device)
    return "cuda:0" if text in ("cuda", "None") else text


def is_cuda(device: Any) -> bool:
    return isinstance(device, (str, torch.device)) and str(device).startswith("cuda")


def place_of(value: Any) -> str | None:
    """Where a tensor, or the first of several that is on CUDA, pretends to lie."""
    if isinstance(value, torch.Tensor):
        return vars(value).get("_pretended")
    if isinstance(value, (tuple, list)):
        return next((place for one in value if (place := place_of(one)) is not None), None)
    if isinstance(value, dict):
        return place_of(list(value.values()))
    return None


def put(value: Any, place: str | None) -> Any:
    """The same values, pretending to lie there; tensors that lie there already are themselves."""
    if isinstance(value, torch.Tensor):
        value._pretended = place  # type: ignore[attr-defined]
    elif isinstance(value, (tuple, list)):
        for one in value:
            put(one, place)
    return value


class Devices(TorchFunctionMode):
    """Takes `cuda` out of the arguments of every function of PyTorch, and writes it down."""

    def __init__(self, calls: list[Call]) -> None:
        super().__init__()
        self.calls = calls

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func in _QUESTIONS:
            return _QUESTIONS[func](place_of(args[0]))
        name = (resolve_name(func) or getattr(func, "__name__", "")).rpartition(".")[2]
        if func is torch.Tensor.cuda:
            given = dict(zip(("device", "non_blocking"), args[1:], strict=False)) | kwargs
            return self._moved(args[0], given.pop("device", None), given)
        if func is torch.Tensor.cpu:
            self.calls.append(("cpu", tuple(args[0].shape), place_of(args[0])))
            return _away(args[0])
        if func is torch.Tensor.pin_memory:
            self.calls.append(("pin_memory", tuple(args[0].shape)))
            return args[0]
        if name == "_parse_to" and args and type(args[0]) is int:
            args = (f"cuda:{args[0]}", *args[1:])
        if func is torch.device or name == "_parse_to":
            return func(*args, **kwargs)  # nothing is put there yet; Module.to moves by Tensor.to
        return self._called(func, name, args, kwargs)

    def _called(self, func, name, args, kwargs):
        if name == "to" and len(args) > 1 and type(args[1]) is int:
            args = (args[0], f"cuda:{args[1]}", *args[2:])
        if type(kwargs.get("device")) is int:
            kwargs["device"] = f"cuda:{kwargs['device']}"
        named = [a for a in (*args, *kwargs.values()) if is_cuda(a)]
        to_host = name == "to" and any(str(a) == "cpu" for a in (*args[1:], kwargs.get("device")))
        place = device_text(named[0]) if named else place_of((*args, kwargs))
        args = tuple("cpu" if is_cuda(a) else a for a in args)
        kwargs = {k: "cpu" if is_cuda(v) else v for k, v in kwargs.items()}
        if name == "to" and named:
            rest = {k: v for k, v in kwargs.items() if k != "device"}
            args = (self._moved(args[0], place, rest, args[2:]), *args[1:])
        elif to_host:
            self.calls.append(("to cpu", place_of(args[0])))
            args = (_away(args[0]), *args[1:])
        elif named:
            self.calls.append((name, place))
        result = func(*args, **kwargs)
        if name == "__set__" and len(args) == 2:  # x.data = y
            put(args[0], place_of(args[1]))
        if place is not None and not to_host:
            put(result, place)
        return result

    def _moved(self, tensor, device, rest, more=()):
        place = device_text(device)
        non_blocking = bool(rest.get("non_blocking", False) or (True in more))
        self.calls.append(("move", tuple(tensor.shape), place, non_blocking))
        return tensor if place_of(tensor) == place else put(_copy(tensor), place)


def _copy(tensor: torch.Tensor) -> torch.Tensor:
    """Another tensor over the same numbers, which gradients go through."""
    with torch._C.DisableTorchFunction():
        return tensor.view_as(tensor) if not tensor.is_sparse else tensor.clone()


def _away(tensor: torch.Tensor) -> torch.Tensor:
    return tensor if place_of(tensor) is None else put(_copy(tensor), None)
