"""Rewriters for seeds, states and generators."""

from __future__ import annotations

import ast

from glia.port.fix.editing.edits import AddArgument, Fix, Refusal, Replace, fix, replace
from glia.port.fix.registry import rewrites
from glia.port.fix.rewriters.common import NOT_CALLED, has_stars, renamed
from glia.port.rules.conditions import is_called, names_cuda
from glia.port.source.hits import Hit
from glia.port.source.module import Module

_SEEDS = ("manual_seed", "manual_seed_all")
_STATES = ("get_rng_state", "set_rng_state", "get_rng_state_all", "set_rng_state_all")


@rewrites("C028", share="yes")
def seed(hit: Hit) -> Fix | Refusal | None:
    """`torch.cuda.manual_seed_all(s)`; the CPU's generator too, where nothing else seeds it."""
    module, _, name = hit.key.rpartition(".")
    if name not in _SEEDS or module not in ("torch.cuda", "torch.cuda.random"):
        return Refusal("only seeds that are given have a likeness elsewhere")
    if not is_called(hit) or hit.call is None or has_stars(hit.call):
        return NOT_CALLED
    rename = Replace(hit.node, f"@{name}")
    if _seeds_otherwise(hit.module):
        return fix(rename)
    return fix(rename, AddArgument(hit.call, "True", "host"))


def _seeds_otherwise(module: Module) -> bool:
    """Something else may seed PyTorch's generator: `torch.random.manual_seed`, `seed_everything`,
    `lib.seed`; neither CUDA's functions, nor those of Python and NumPy."""
    if "torch.manual_seed" in module.used:
        return True
    return any(_seeds_host(module, node) for node in module.nodes)


def _seeds_host(module: Module, node: ast.AST) -> bool:
    if not isinstance(node, (ast.Name, ast.Attribute)):
        return False
    called = module.parents.get(node)
    if not (isinstance(called, ast.Call) and called.func is node):
        return False
    last = node.attr if isinstance(node, ast.Attribute) else node.id
    name = module.dotted(node) or last
    others = name.startswith(("torch.cuda.", "random.", "numpy."))
    if "seed" not in last.lower() or others:
        return False
    return not any(isinstance(n, ast.FunctionDef) and n.name == last for n in module.nodes)


@rewrites("C029", share="yes")
def keep_state(hit: Hit) -> Fix | Refusal | None:
    """`torch.cuda.get_rng_state()` and its kin."""
    name = hit.key.rpartition(".")[2]
    return renamed(hit, name) if name in _STATES else NOT_CALLED


@rewrites("C030", share="partly")
def make_generator(hit: Hit) -> Fix | Refusal | None:
    """`torch.Generator(device="cuda")`."""
    device = hit.argument("device", 0)
    if device is None or not names_cuda(hit.module.string(device)):
        return Refusal("its device is decided elsewhere; draw on the CPU, then move the numbers")
    if not isinstance(device, ast.Constant) or device.value != "cuda":
        return Refusal("it is tied to one of several devices, or to a variable")
    return replace(device, "@generator_device()")
