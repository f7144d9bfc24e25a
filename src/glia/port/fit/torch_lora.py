"""LoRA in a module that is run: adapters beside its linear maps, everything else frozen."""

from __future__ import annotations

from typing import Any

import torch

from glia.core.errors import UsageError
from glia.cost.memory.lora import ALL_LINEAR, Lora


class Adapted(torch.nn.Module):
    """A frozen linear map with A and B beside it, in the adapters' own format, as peft has it."""

    def __init__(self, base: torch.nn.Module, columns: int, rows: int, lora: Lora) -> None:
        super().__init__()
        self.base_layer = base
        self.is_wide = lora.itemsize == torch.float32.itemsize
        kind = torch.float32 if self.is_wide else base.weight.dtype
        place: dict[str, Any] = {"device": base.weight.device, "dtype": kind, "bias": False}
        self.lora_A = torch.nn.Linear(columns, lora.rank, **place)
        self.lora_B = torch.nn.Linear(lora.rank, rows, **place)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The map's result and the adapter's, in the format of the former."""
        made: torch.Tensor = self.base_layer(x)
        beside = self.lora_B(self.lora_A(x.to(self.lora_A.weight.dtype)))
        return (made + beside * 1.0).to(made.dtype)

    @property
    def weight(self) -> torch.Tensor:
        """The frozen weight, which some code looks at."""
        found: torch.Tensor = self.base_layer.weight  # type: ignore[assignment]
        return found

    @property
    def bias(self) -> torch.Tensor | None:
        """The frozen bias."""
        found: torch.Tensor | None = self.base_layer.bias  # type: ignore[assignment]
        return found


def adapter_formats(module: torch.nn.Module) -> dict[str, int]:
    """Names of the adapters' weights -> bytes of one of their numbers, 0: as the model's."""
    return {
        f"{path}.{name}.weight": torch.float32.itemsize if part.is_wide else 0
        for path, part in module.named_modules()
        if isinstance(part, Adapted)
        for name in ("lora_A", "lora_B")
    }


def widen(module: torch.nn.Module) -> None:
    """Give adapters in float32 their format back, where all parameters were swapped for others."""
    for part in module.modules():
        if isinstance(part, Adapted) and part.is_wide:
            for own in (part.lora_A, part.lora_B):
                parameter: Any = torch.nn.Parameter(own.weight.detach().float())
                parameter.grad = torch.zeros_like(parameter)
                own._parameters["weight"] = parameter


def add_adapters(module: torch.nn.Module, lora: Lora) -> None:
    """Freeze the module and put adapters beside the linear maps that are taken.

    Raises:
        UsageError: for a target that no linear map has.
    """
    find_output = getattr(module, "get_output_embeddings", lambda: None)
    output, found = find_output(), []
    names: set[str] = set()
    for path, part in module.named_modules():
        if (sizes := _sizes(part)) is not None and part is not output:
            names.add(path.rpartition(".")[2])
            if lora.takes(path):
                found.append((path, part, sizes))
    if not found:
        raise UsageError(
            f"--lora: got targets {', '.join(lora.targets)}, expected {ALL_LINEAR} or some of "
            f"{', '.join(sorted(names)) or 'the linear maps, which this module has not'}; "
            "correct it"
        )
    module.requires_grad_(False)
    for path, part, (columns, rows) in found:
        owner, _, name = path.rpartition(".")
        setattr(module.get_submodule(owner), name, Adapted(part, columns, rows, lora))


def _sizes(part: torch.nn.Module) -> tuple[int, int] | None:
    """(inputs, outputs) of a linear map or of transformers' own, Conv1D; None for another part."""
    if isinstance(part, torch.nn.Linear):
        return part.in_features, part.out_features
    if type(part).__name__ == "Conv1D" and isinstance(part.weight, torch.Tensor):
        columns, rows = part.weight.shape
        return columns, rows
    return None
