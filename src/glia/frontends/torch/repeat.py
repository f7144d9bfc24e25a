"""Whether a second call repeats the first: graphs that torch.compile makes, and values.

Graphs are counted by a backend that compiles nothing and runs PyTorch itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch._dynamo

from glia.core.shape_records import SecondStep
from glia.frontends.torch.breaks import reason_of
from glia.frontends.torch.export import quiet, unprinted
from glia.frontends.torch.observe import same_values

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(slots=True)
class Counted:
    """A module under torch.compile; `num_graphs` have been made so far."""

    call: Callable[..., Any]
    num_graphs: int = 0


def counted(module: torch.nn.Module) -> Counted:
    """The module under torch.compile with fixed shapes, counting its graphs."""
    torch._dynamo.reset()
    found = Counted(module)

    def backend(graph: torch.fx.GraphModule, example: Sequence[Any]) -> Callable[..., Any]:
        found.num_graphs += 1
        return graph.forward

    found.call = torch.compile(module, backend=backend, dynamic=False)
    return found


def num_graphs(module: torch.nn.Module, calls: Iterable[Arguments]) -> list[int]:
    """How many graphs torch.compile has made after each call."""
    found = []
    with torch.no_grad(), quiet(), unprinted(), _unlimited():
        compiled = counted(module)
        for args, kwargs in calls:
            compiled.call(*args, **kwargs)
            found.append(compiled.num_graphs)
    torch._dynamo.reset()
    return found


def _unlimited() -> Any:
    """Inside, torch.compile does not give up after a few recompilations."""
    return torch._dynamo.config.patch(recompile_limit=1 << 20, accumulated_recompile_limit=1 << 20)


def second_step(
    module: torch.nn.Module, first: Arguments, same_shape: Arguments | None
) -> SecondStep:
    """Call the module twice on `first`, then on another batch of the same shapes."""
    calls = [first, first] + ([same_shape] if same_shape is not None else [])
    reason = ""
    try:
        made: list[int] | None = num_graphs(module, calls)
    except Exception as error:  # whatever stops torch.compile is the answer
        made, reason = None, reason_of(error)
        torch._dynamo.reset()
    again = None if made is None else made[1] - made[0]
    other = None if made is None or same_shape is None else made[2] - made[1]
    if again or other:
        reason = _why_again(module, calls)
    seeded, unseeded, drawn = _values(module, first)
    start = None if made is None else made[0]
    return SecondStep(start, again, other, reason, seeded, unseeded, drawn)


def _why_again(module: torch.nn.Module, calls: Sequence[Arguments]) -> str:
    """The guard that failed, in the words of torch.compile."""
    with torch.no_grad(), quiet(), unprinted():
        compiled = counted(module)
        try:
            compiled.call(*calls[0][0], **calls[0][1])
            with torch._dynamo.config.patch(error_on_recompile=True):
                for args, kwargs in calls[1:]:
                    compiled.call(*args, **kwargs)
        except Exception as error:
            return _guard(str(error)) or reason_of(error)
        finally:
            torch._dynamo.reset()
    return ""


def _guard(text: str) -> str:
    lines = [line.strip(" -\t") for line in text.splitlines()]
    failed = [
        line.partition(": ")[2] or line for line in lines if line[:2].isdigit() or "==" in line
    ]
    return failed[0].partition("  #")[0].strip() if failed else ""


def _values(module: torch.nn.Module, given: Arguments) -> tuple[bool, bool, tuple[str, ...]]:
    """Equal with one seed, equal without, and the operations that draw."""
    from glia.frontends.torch.observe import observe

    args, kwargs = given
    with torch.no_grad(), quiet(), torch.random.fork_rng(devices=[]):
        results = []
        for _ in range(2):
            torch.manual_seed(0)
            results.append(module(*args, **kwargs))
        seen = observe(module, args, kwargs)
    return same_values(*results), not seen.values_differ, seen.random_operations
