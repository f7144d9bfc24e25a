"""What PyTorch really takes: from the allocator's own record, or counted without data."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.profiler import ProfilerActivity, profile

from glia.port.fit.torch_counter import peak_of, swapped
from glia.port.fit.torch_inputs import example_inputs


def allocator_peak(
    module: torch.nn.Module, kwargs: dict[str, Any], *, backward: bool = True
) -> int:
    """Peak bytes of one real step on the CPU, from the profiler's record of every allocation.

    Gradients exist before, so that they are not part of it.
    """
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    context = contextlib.nullcontext() if backward else torch.no_grad()
    with context, profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        made = module(**kwargs)
        if backward:
            made.loss.backward()
        del made
    events = found.profiler.kineto_results.events()
    changes = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    live = peak = 0
    for _, change in changes:
        live += change
        peak = max(peak, live)
    return peak


def counted_peak(
    module: torch.nn.Module,
    inputs: dict[str, tuple[tuple[int, ...], torch.dtype]],
    dtype: torch.dtype,
    *,
    backward: bool = True,
) -> int:
    """The same peak of a module on the meta device, run in `dtype` without data."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)

    def fake(tensor: torch.Tensor) -> torch.Tensor:
        kind = dtype if tensor.is_floating_point() else tensor.dtype
        return torch.empty(tuple(tensor.shape), dtype=kind)

    module.train(backward)
    with mode, swapped(module, fake):
        kwargs = {name: torch.zeros(shape, dtype=kind) for name, (shape, kind) in inputs.items()}
        return peak_of(module, lambda: module(**kwargs), backward=backward)


def prefill_peak(module: torch.nn.Module, batch: int, seq: int, dtype: torch.dtype) -> int:
    """The peak of a forward pass without gradients, run in `dtype` without data."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)

    def fake(tensor: torch.Tensor) -> torch.Tensor:
        kind = dtype if tensor.is_floating_point() else tensor.dtype
        return torch.empty(tuple(tensor.shape), dtype=kind)

    module.train(False)
    with mode, swapped(module, fake):
        kwargs = example_inputs(module, batch, seq, dtype, train=False)
        return peak_of(module, lambda: module(**kwargs), backward=False)


def ids(batch: int, seq: int) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Token ids with labels."""
    return dict.fromkeys(("input_ids", "labels"), ((batch, seq), torch.long))
