"""A user's own module: its exact parameters, and its peaks on its own example inputs.

It runs without data first, which costs nothing. What is small, and code that looks at values, then
runs on its real inputs under the allocator's record, because kernels take memory of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch.utils import _pytree as pytree

from glia.cost.memory.architecture import Architecture, Block, Traced, Weight
from glia.frontends.load import LoadedModel
from glia.port.fit.torch_counter import allocator_peak, fake_mode, peak_of, swapped
from glia.port.fit.torch_lora import adapter_formats

MAX_REAL_BYTES = 2**31  # beyond that a step may take minutes, and the memory of this machine

_UNSEEN = (
    "the peak is over 2 GiB, and no run on a part of the inputs could be made: what kernels take "
    "inside (recurrent layers, convolutions, fused encoder layers) comes on top"
)


def trace_module(loaded: LoadedModel) -> Architecture:
    """The module's exact parameters, and its peaks on its own example inputs."""
    module = loaded.module
    weights = tuple(weights_of(module))
    training, of_training, why = _peak(loaded, backward=True)
    inference, of_inference, why_not = _peak(loaded, backward=False)
    adapters = adapter_formats(module)
    formats = {
        str(p.dtype).removeprefix("torch.")
        for name, p in module.named_parameters()
        if name not in adapters
    }
    notes = [f"the peaks are of {loaded.num_sequences} sequences, the function's own inputs"]
    if None in (of_training, of_inference):
        notes.append(_UNSEEN)
    if len(formats) > 1:
        notes.append(f"parameters are in {', '.join(sorted(formats))}; counted in the first")
    return Architecture(
        family=type(module).__name__,
        hidden=0,
        vocab_size=0,
        layers=(),
        embedding=Block(weights),
        head=Block(),
        num_logits=0,
        is_causal=False,
        dtype=next(iter(sorted(formats)), "float32"),
        notes=tuple(notes),
        traced=Traced(
            training,
            inference,
            why or why_not,
            training_inside=of_training or 0.0,
            inference_inside=of_inference or 0.0,
        ),
    )


def weights_of(module: torch.nn.Module) -> Iterator[Weight]:
    """Every parameter once, tied ones included; all are trained where all are frozen.

    Linear maps, and matrices that are stacked for experts, are what quantisation stores otherwise.
    """
    maps = {
        f"{name}.weight"
        for name, part in module.named_modules()
        if isinstance(part, torch.nn.Linear)
    }
    parameters, adapters = dict(module.named_parameters()), adapter_formats(module)
    is_frozen = not any(p.requires_grad for p in parameters.values())
    for name, parameter in parameters.items():
        is_trained = parameter.is_floating_point() and (parameter.requires_grad or is_frozen)
        is_stack = parameter.dim() == 3 and "experts" in name.split(".")
        yield Weight(
            name,
            tuple(parameter.shape),
            is_linear=(name in maps and name not in adapters) or is_stack,
            is_trained=is_trained,
            itemsize=adapters.get(name, 0),
        )


def _peak(loaded: LoadedModel, *, backward: bool) -> tuple[float | None, float | None, str]:
    """The peak, what of it kernels take inside unseen, and why the peak is unknown.

    The second is 0 where all was seen, and None where nothing tells it.
    """
    with _restored(loaded.module), _gradients(loaded.module, backward):
        loaded.module.train(backward)
        try:
            counted = _fake_peak(loaded, backward)
        except Exception:  # whatever the user's code raises when it runs without data
            real, why = _real_peak(loaded, backward)
            return real, 0.0, why
        weights = sum(p.nbytes for p in loaded.module.parameters())
        room = MAX_REAL_BYTES - (2 if backward else 0) * weights
        if counted > room:
            inside = _inside(loaded, backward, room / counted)
            return counted + (inside or 0.0), inside, ""
        real, _ = _real_peak(loaded, backward)
        return counted if real is None else real, 0.0, ""


def _inside(loaded: LoadedModel, backward: bool, part: float) -> float | None:
    """What kernels take inside at the peak: of a real run on `part` of the inputs, times as much.

    None where not even one sequence fits, where inputs are not one per sequence, or where the
    smaller run fails.
    """
    few = min(int(part * loaded.num_sequences), loaded.num_sequences - 1)
    if few < 1:
        return None

    def cut(value: Any) -> Any:
        is_batch = isinstance(value, torch.Tensor) and value.dim() > 0
        return value[:few] if is_batch and len(value) == loaded.num_sequences else value

    args, kwargs = pytree.tree_map(cut, (loaded.args, loaded.kwargs))
    smaller = replace(loaded, args=args, kwargs=kwargs)
    try:
        counted = _fake_peak(smaller, backward)
    except Exception:  # the user's code wants its own number of sequences
        return None
    real, _ = _real_peak(smaller, backward)
    return None if real is None else max(0.0, real - counted) * loaded.num_sequences / few


def _real_peak(loaded: LoadedModel, backward: bool) -> tuple[int | None, str]:
    """The peak of a real run on its example inputs; the module is as before afterwards."""
    gradients = [(p, p.grad) for p in loaded.module.parameters()]
    buffers = [(b, b.clone()) for b in loaded.module.buffers()]
    try:
        for parameter, _ in gradients if backward else ():
            filled: Any = torch.zeros_like(parameter) if parameter.requires_grad else None
            parameter.grad = filled
        module, args, kwargs = loaded.module, loaded.args, loaded.kwargs
        with torch.random.fork_rng(devices=[]):
            return allocator_peak(lambda: module(*args, **kwargs), backward=backward), ""
    except Exception as error:  # the user's code
        text = " ".join(str(error).split())[:200]
        return None, f"its code does not run here: {type(error).__name__}: {text}"
    finally:
        for parameter, gradient in gradients:
            parameter.grad = gradient
        with torch.no_grad():
            for buffer, saved in buffers:
                buffer.copy_(saved)


def _fake_peak(loaded: LoadedModel, backward: bool) -> int:
    mode = fake_mode()

    def fake(value: Any) -> Any:
        is_tensor = isinstance(value, torch.Tensor)
        return mode.from_tensor(value, static_shapes=True) if is_tensor else value

    args, kwargs = pytree.tree_map(fake, (loaded.args, loaded.kwargs))
    with mode, swapped(loaded.module, fake) as module:
        return peak_of(module, lambda: module(*args, **kwargs), backward=backward)


@contextmanager
def _gradients(module: torch.nn.Module, wanted: bool) -> Iterator[None]:
    """Inside, modules that were loaded for inference need gradients when `wanted`."""
    saved = [(p, p.requires_grad) for p in module.parameters()]
    if wanted and not any(flag for _, flag in saved):
        for parameter, _ in saved:
            parameter.requires_grad_(parameter.is_floating_point())
    try:
        yield
    finally:
        for parameter, flag in saved:
            parameter.requires_grad_(flag)


@contextmanager
def _restored(module: torch.nn.Module) -> Iterator[None]:
    """Afterwards every part is in the mode it was in."""
    saved = [(part, part.training) for part in module.modules()]
    try:
        yield
    finally:
        for part, mode in saved:
            part.training = mode
