"""Rewriters for device memory: the allocator's cache and its counters."""

from __future__ import annotations

import ast

from glia.port.fix.editing.edits import Fix, Refusal
from glia.port.fix.registry import rewrites
from glia.port.fix.rewriters.common import renamed
from glia.port.source.hits import Hit

_COUNTERS = (
    "memory_allocated", "memory_reserved", "max_memory_allocated", "max_memory_reserved",
    "reset_peak_memory_stats",
)  # fmt: skip


@rewrites("C017", share="yes", always=True)
def empty_cache(hit: Hit) -> Fix | Refusal | None:
    """`torch.cuda.empty_cache()`."""
    return renamed(hit, "empty_cache")


@rewrites("C018", share="partly")
def read_counter(hit: Hit) -> Fix | Refusal | None:
    """The counters that every accelerator has, and the process on the CPU."""
    name = hit.key.rsplit(".", 1)[1]
    if name not in _COUNTERS:
        return Refusal("what it counts, or how, is particular to CUDA's allocator")
    if isinstance(hit.module.parents.get(hit.call or hit.node), ast.Compare):
        return Refusal("what is compared here is 0 without CUDA; the helper counts the process")
    return renamed(hit, name)


@rewrites("C020", share="partly")
def summarise(hit: Hit) -> Fix | Refusal | None:
    """`torch.cuda.memory_summary()` is text to show; the history needs CUDA's own tools."""
    if not hit.key.endswith(".memory_summary"):
        return Refusal("the history is read by CUDA's own tools; leave it out elsewhere")
    return renamed(hit, "memory_summary")


@rewrites("C138", share="partly")
def collect_shared(hit: Hit) -> Fix | Refusal | None:
    """`torch.cuda.ipc_collect()`."""
    if hit.key != "torch.cuda.ipc_collect":
        return Refusal("it exists on CUDA only; leave it out elsewhere, or ask for CUDA first")
    return renamed(hit, "ipc_collect")
