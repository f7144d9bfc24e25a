"""Memory of a PyTorch module, counted while its own code runs, with data or without.

Every tensor that an operation makes is counted until it is freed, so the peak is the one of eager
PyTorch, byte for byte.
"""

from __future__ import annotations

import logging
import os
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.autograd.profiler as profiler
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from glia.core.errors import ModelError


class AllocationCounter(TorchDispatchMode):
    """Counts bytes of the storages that operations make inside it; `peak_bytes` is the most."""

    def __init__(self, known: Iterable[torch.Tensor] = ()) -> None:
        super().__init__()
        self.live_bytes = 0
        self.peak_bytes = 0
        self._live: dict[int, int] = {}
        self._known = {tensor.untyped_storage()._cdata for tensor in known}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run the operation and count what it made."""
        made = _grouped_product(func, args, kwargs or {})
        if made is None:
            made = func(*args, **(kwargs or {}))
        for leaf in pytree.tree_leaves(made):
            if isinstance(leaf, torch.Tensor):
                self._add(leaf.untyped_storage())
        return made

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._live or key in self._known:
            return
        self._live[key] = storage.nbytes()
        self.live_bytes += storage.nbytes()
        self.peak_bytes = max(self.peak_bytes, self.live_bytes)
        weakref.finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.live_bytes -= self._live.pop(key, 0)


def _grouped_product(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> torch.Tensor | None:
    """A product of experts without data in a format that PyTorch's shape rule refuses.

    The rule takes bfloat16 only, the CPU's kernel every format.
    """
    if func is not torch.ops.aten._grouped_mm.default or not isinstance(args[0], FakeTensor):
        return None
    left, right = args[:2]
    if left.dtype is torch.bfloat16:
        return None
    shape = [left.shape[-2], right.shape[-1]]
    if left.dim() == right.dim():  # each group has a product of its own
        groups: Any = args[2] if len(args) > 2 else kwargs["offs"]
        shape.insert(0, (left if left.dim() == 3 else groups).shape[0])
    return left.new_empty(shape)


def peak_of(module: torch.nn.Module, run: Callable[[], Any], *, backward: bool) -> int:
    """Peak bytes of what `run` makes beside parameters, buffers and gradients.

    With `backward` the loss, or the sum of the results, is differentiated as well.
    """
    tensors = [*module.parameters(), *module.buffers()]
    tensors += [p.grad for p in module.parameters() if p.grad is not None]
    counter = AllocationCounter(tensors)
    with torch.enable_grad() if backward else torch.no_grad(), counter:
        made = run()
        if backward:
            _loss(made).backward()
        del made
    return counter.peak_bytes


def allocator_peak(run: Callable[[], Any], *, backward: bool) -> int:
    """As `peak_of` by the CPU allocator's record, which has what kernels take inside as well."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else the profiler writes to the terminal
    record = profiler.profile(use_cpu=True, profile_memory=True)
    with torch.enable_grad() if backward else torch.no_grad(), record:
        made = run()
        if backward:
            _loss(made).backward()
        del made
    results: Any = record.kineto_results
    events = [e for e in results.events() if e.name() == "[memory]"]
    live = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return peak


def _loss(made: Any) -> torch.Tensor:
    """The loss of a result that has one, else the sum of its float tensors that need gradients."""
    loss = getattr(made, "loss", None)
    if isinstance(loss, torch.Tensor):
        return loss
    leaves = [t for t in pytree.tree_leaves(made) if isinstance(t, torch.Tensor)]
    wanted = [t for t in leaves if t.requires_grad]
    if not wanted:
        raise ModelError("the results need no gradient")
    return torch.stack([t.float().sum() for t in wanted]).sum()


def fake_mode() -> FakeTensorMode:
    """Tensors without data; what does not run on them is told by its exception alone."""
    logging.getLogger("torch._subclasses.fake_tensor").setLevel(logging.CRITICAL)
    return FakeTensorMode(allow_non_fake_inputs=True)


@contextmanager
def swapped(
    module: torch.nn.Module, change: Callable[[torch.Tensor], torch.Tensor]
) -> Iterator[torch.nn.Module]:
    """Inside, every parameter and buffer is what `change` made of it; tied ones stay tied."""
    made: dict[int, Any] = {}
    saved: list[Any] = []
    for owner in module.modules():
        for table in (owner._parameters, owner._buffers):
            for name, tensor in table.items():
                if tensor is None:
                    continue
                saved.append((table, name, tensor))
                if id(tensor) not in made:
                    made[id(tensor)] = _changed(tensor, change)
                table[name] = made[id(tensor)]
    try:
        yield module
    finally:
        for table, name, tensor in saved:
            table[name] = tensor


def _changed(tensor: torch.Tensor, change: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    new = change(tensor.detach())
    if not isinstance(tensor, torch.nn.Parameter):
        return new
    parameter: Any = torch.nn.Parameter(new, requires_grad=tensor.requires_grad)
    if tensor.requires_grad:
        parameter.grad = torch.zeros_like(new)
    return parameter
