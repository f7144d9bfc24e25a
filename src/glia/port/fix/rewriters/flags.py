"""Rewriters for global switches that only CUDA has."""

from __future__ import annotations

import ast

from glia.port.fix.editing.edits import Fix, Refusal, replace
from glia.port.fix.registry import rewrites
from glia.port.rules.conditions import is_called
from glia.port.source.hits import Hit

_ROOT = "torch.backends."
_MODULES = ("torch.backends.cudnn", "torch.backends.cuda.matmul")
_READ = Refusal("the switch is read, or set together with others")
_TRAINERS = Refusal("a trainer hands it on to CUDA's own switch, which does nothing elsewhere")
_PORTABLE = Refusal("the switch is PyTorch's own and works on the CPU; the compiler has its own")


@rewrites("C049", "C050", "C051", share="partly")
def set_flag(hit: Hit) -> Fix | Refusal | None:
    """`torch.backends.cudnn.benchmark = True`: a call of the helper with the name of the switch."""
    if hit.kind in ("keyword", "setting"):
        return _TRAINERS
    if not hit.key.startswith(_ROOT) or is_called(hit):
        return _PORTABLE
    module = hit.key.rpartition(".")[0]
    outer = hit.module.parents.get(hit.node)
    if module not in _MODULES or not isinstance(outer, ast.Assign):
        return _READ
    if len(outer.targets) != 1 or outer.targets[0] is not hit.node:
        return _READ
    name = hit.key.removeprefix(_ROOT)
    return replace(outer, f'@set_flag("{name}", {{value}})', value=outer.value)
