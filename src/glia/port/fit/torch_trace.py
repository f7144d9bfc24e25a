"""Memory of a PyTorch module, counted while its own code runs on tensors without data.

Code that looks at values runs on its real example inputs instead. Every tensor that an operation
makes is counted until it is freed, so the peak is the one of eager PyTorch, byte for byte.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from glia.core.errors import ModelError
from glia.cost.memory.architecture import Architecture, Block, Traced, Weight
from glia.frontends.load import LoadedModel


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


def trace_module(loaded: LoadedModel) -> Architecture:
    """The module's exact parameters, and its peaks on its own example inputs."""
    module = loaded.module
    weights = tuple(weights_of(module))
    training, why = _peak(loaded, backward=True)
    inference, why_not = _peak(loaded, backward=False)
    formats = {str(p.dtype).removeprefix("torch.") for p in module.parameters()}
    notes = [f"the peaks are of {loaded.num_sequences} sequences, the function's own inputs"]
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
        traced=Traced(training, inference, why or why_not),
    )


def weights_of(module: torch.nn.Module) -> Iterator[Weight]:
    """Every parameter once, tied ones included."""
    for name, parameter in module.named_parameters():
        yield Weight(name, tuple(parameter.shape))


def _peak(loaded: LoadedModel, *, backward: bool) -> tuple[int | None, str]:
    """The peak, or None and why it is unknown."""
    with _restored(loaded.module), _gradients(loaded.module, backward):
        loaded.module.train(backward)
        try:
            return _fake_peak(loaded, backward), ""
        except Exception:  # whatever the user's code raises when it runs without data
            return _real_peak(loaded, backward)


def _real_peak(loaded: LoadedModel, backward: bool) -> tuple[int | None, str]:
    """The peak of a real run on its example inputs, for code that looks at values."""
    gradients = [(p, p.grad) for p in loaded.module.parameters()]
    buffers = [(b, b.clone()) for b in loaded.module.buffers()]
    try:
        for parameter, _ in gradients if backward else ():
            filled: Any = torch.zeros_like(parameter) if parameter.requires_grad else None
            parameter.grad = filled
        module, args, kwargs = loaded.module, loaded.args, loaded.kwargs
        return peak_of(module, lambda: module(*args, **kwargs), backward=backward), ""
    except Exception as error:  # the user's code
        text = " ".join(str(error).split())[:200]
        return None, f"its code does not run here: {type(error).__name__}: {text}"
    finally:
        for parameter, gradient in gradients:
            parameter.grad = gradient
        with torch.no_grad():
            for buffer, saved in buffers:
                buffer.copy_(saved)


def fake_mode() -> FakeTensorMode:
    """Tensors without data; what does not run on them is told by its exception alone."""
    logging.getLogger("torch._subclasses.fake_tensor").setLevel(logging.CRITICAL)
    return FakeTensorMode(allow_non_fake_inputs=True)


def _fake_peak(loaded: LoadedModel, backward: bool) -> int:
    mode = fake_mode()

    def fake(value: Any) -> Any:
        is_tensor = isinstance(value, torch.Tensor)
        return mode.from_tensor(value, static_shapes=True) if is_tensor else value

    args, kwargs = pytree.tree_map(fake, (loaded.args, loaded.kwargs))
    with mode, swapped(loaded.module, fake) as module:
        return peak_of(module, lambda: module(*args, **kwargs), backward=backward)


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
