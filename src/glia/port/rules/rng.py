"""Rules about random numbers: seeds, states, generators, and what captured graphs make of them."""

from __future__ import annotations

import ast

from glia.port.rules.conditions import in_forward, is_called, last_name, receiver
from glia.port.rules.rule import HIP, Advice, Rule, method, per_family, use
from glia.port.rules.sources import (
    ACCELERATE,
    DIFFUSERS_TORCH,
    EXPORT_PROBE,
    JAX_NEURON,
    PROBE,
    XLA_MODEL,
    error_code,
)
from glia.port.source.hits import Hit

_ON_DEVICE = tuple(f"torch.{name}" for name in ("rand", "randn", "randint", "randperm", "normal"))
_IMAGES = ("PIL", "torchvision.transforms", "cv2", "albumentations")
_LIKE = ("torch.rand_like", "torch.randn_like", "torch.randint_like", "torch.bernoulli")
_DROPOUTS = tuple(
    f"torch.nn.functional.{name}"
    for name in ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout")
)
_HOST_RANDOM = (
    "random.random",
    "random.randint",
    "random.uniform",
    "random.choice",
    "random.choices",
    "random.sample",
    "random.shuffle",
    "random.gauss",
    "random.randrange",
    "numpy.random.*",
    "random.betavariate",
    "random.normalvariate",
)


# What seeds the generators of all devices, CUDA's among them.
_ALL_SEEDED = ("torch.manual_seed", "torch.random.manual_seed")
_SEEDING = ("seed_everything", "set_seed")  # of the libraries below: they call torch.manual_seed
_SEEDERS = ("lightning", "pytorch_lightning", "accelerate", "transformers", "diffusers", "fabric")


def _is_alone(hit: Hit) -> bool:
    """Nothing seeds all generators in the same function, at the top of the file, or where the
    function is called: `torch.manual_seed(s); torch.cuda.manual_seed_all(s)`."""
    if not is_called(hit):
        return True
    function_of = hit.module.scopes.function_of
    here = function_of(hit.node)
    calls = [(node, function_of(node)) for node in hit.module.nodes if isinstance(node, ast.Call)]
    seeding = {around for call, around in calls if _seeds_all(hit, call)}
    named = {around.name for around in seeding if isinstance(around, ast.FunctionDef)}
    seeding |= {around for call, around in calls if last_name(call.func) in named}
    name = getattr(here, "name", "")
    callers = {around for call, around in calls if name and last_name(call.func) == name}
    return seeding.isdisjoint({here, None, *callers})


def _seeds_all(hit: Hit, call: ast.Call) -> bool:
    name = hit.module.dotted(call.func)
    if name in _ALL_SEEDED:
        return True
    return name.startswith(_SEEDERS) and name.rpartition(".")[2] in _SEEDING


def _on_a_device(hit: Hit) -> bool:
    """The device is given, and is not the CPU in so many words."""
    device = hit.argument("device", 0 if hit.key == "torch.Generator" else None)
    if device is None or not is_called(hit):
        return False
    if isinstance(device, ast.Call) and hit.module.dotted(device.func) == "torch.device":
        device = device.args[0] if device.args else device
    return hit.module.string(device) not in ("cpu", "meta") and not _is_none(device)


def _of_another(hit: Hit) -> bool:
    """`torch.randn_like(x)` draws where `x` is; nothing is said by one whose device is given."""
    return is_called(hit) and (hit.argument("device") is None or _on_a_device(hit))


def _fills_on_a_device(hit: Hit) -> bool:
    """`torch.empty(4, device=device).uniform_()`."""
    made = receiver(hit)
    if not isinstance(made, ast.Call) or not hit.module.dotted(made.func).startswith("torch."):
        return False
    return _on_a_device(Hit("use", "", hit.module, made.func, made))


def _drops_while_training(hit: Hit) -> bool:
    """`F.dropout(x, p, self.training)`; not one that is turned off."""
    training = hit.argument("training", 2)
    is_off = isinstance(training, ast.Constant) and training.value is False
    return is_called(hit) and not is_off


def _forks_devices(hit: Hit) -> bool:
    """`fork_rng(devices=[0])`; without a device_type, or with "cuda", these are CUDA's."""
    devices, kind = hit.argument("devices", 0), hit.argument("device_type", 4)
    is_empty = isinstance(devices, (ast.List, ast.Tuple)) and not devices.elts
    if not is_called(hit) or devices is None or is_empty or _is_none(devices):
        return False
    return kind is None or hit.module.string(kind) == "cuda"


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _frozen(hit: Hit) -> bool:
    """Not in a transform of images, which is called `forward` as well and runs on the host."""
    if any(name.startswith(_IMAGES) for name in hit.module.names.values()):
        return False
    return is_called(hit) and in_forward(hit)


RULES: tuple[Rule, ...] = (
    Rule(
        id="C028",
        title="only CUDA's generators are seeded here",
        category="rng",
        why="without CUDA the call does nothing: the generator of the device keeps its old state",
        triggers=(
            use("torch.cuda.manual_seed", "torch.cuda.manual_seed_all", when=_is_alone),
            use("torch.cuda.seed", "torch.cuda.seed_all", "torch.cuda.initial_seed"),
            use("torch.cuda.random.*"),
            use("torch.cuda.random.manual_seed", when=_is_alone),
            use("torch.cuda.random.manual_seed_all", when=_is_alone),
        ),
        on=per_family(
            Advice("silent", "torch.manual_seed, and torch.neuron.manual_seed_all"),
            Advice("silent", "torch.manual_seed, and xm.set_rng_state(seed)"),
            HIP,
            Advice("silent", "torch.manual_seed"),
        ),
        bad="import torch\ntorch.cuda.manual_seed_all(1)\n",
        good="import torch\ntorch.manual_seed(1)\ntorch.cuda.manual_seed_all(1)\n",
        grade="seen",
        sources=(PROBE, f"{ACCELERATE}utils/random.py", XLA_MODEL),
    ),
    Rule(
        id="C029",
        title="the state of CUDA's generators is saved or restored",
        category="rng",
        why="it raises or is empty without CUDA; a run does not resume with the same numbers",
        triggers=(
            use(
                "torch.cuda.get_rng_state",
                "torch.cuda.get_rng_state_all",
                "torch.cuda.set_rng_state",
                "torch.cuda.set_rng_state_all",
            ),
            use("torch.random.fork_rng", when=_forks_devices),
        ),
        on=per_family(
            Advice("raises", "torch.neuron.get_rng_state_all and set_rng_state_all"),
            Advice("raises", "xm.get_rng_state and xm.set_rng_state"),
            HIP,
            Advice("raises", "torch.get_rng_state and torch.set_rng_state"),
        ),
        bad="import torch\nstate = torch.cuda.get_rng_state()\n",
        good="import torch\nstate = torch.get_rng_state()\n",
        grade="seen",
        sources=(PROBE, f"{ACCELERATE}checkpointing.py"),
    ),
    Rule(
        id="C030",
        title="a random generator lives on the device",
        category="rng",
        why="it raises without CUDA, and its numbers differ from device to device",
        triggers=(use("torch.Generator", when=_on_a_device),),
        on=per_family(
            Advice("raises", "a generator on the CPU; move the tensor afterwards"),
            Advice("raises", "a generator on the CPU; move the tensor afterwards"),
            HIP,
            Advice("raises", 'torch.Generator("cpu")'),
        ),
        bad='import torch\ng = torch.Generator(device="cuda")\n',
        good='import torch\ng = torch.Generator(device="cpu")\nh = torch.Generator()\n',
        grade="seen",
        sources=(PROBE, DIFFUSERS_TORCH),
    ),
    Rule(
        id="C031",
        title="random numbers are drawn on the device",
        category="rng",
        why="another generator gives other numbers: a run cannot be compared step by step",
        triggers=(
            use(*_ON_DEVICE, when=_on_a_device),
            use(*_LIKE, when=_of_another),
            use(*_DROPOUTS, when=_drops_while_training),
            method("bernoulli_", "exponential_", "random_", when=in_forward),
            method("uniform_", "normal_", "bernoulli_", "random_", when=_fills_on_a_device),
            use("torch.nn.functional.gumbel_softmax"),
        ),
        on=per_family(
            Advice("unknown", "draw on the CPU, then move, where runs are compared"),
            Advice("unknown", "draw on the CPU, then move, where runs are compared"),
            Advice("works", "mind that the order of numbers may differ", "none"),
        ),
        bad="import torch\nx = torch.randn(4, device=device)\n",
        good='import torch\nx = torch.randn(4)\ny = torch.rand(4, device="cpu")\n',
        grade="documented",
        sources=(JAX_NEURON, error_code("EVRF006"), DIFFUSERS_TORCH),
    ),
    Rule(
        id="C032",
        title="Python or NumPy draws a random number inside forward",
        category="rng",
        why="capture draws once: one branch or one value is frozen into the graph for ever",
        triggers=(use(*_HOST_RANDOM, when=_frozen, torch_only=True),),
        on=per_family(
            Advice("silent", "draw with torch, and choose with torch.where", "hours"),
            Advice("silent", "draw with torch, and choose with torch.where", "hours"),
            Advice("works", "leave it as long as nothing is compiled", "none"),
            Advice("works", "leave it as long as nothing is compiled", "none"),
        ),
        bad="import random\nimport torch\nclass Drop(torch.nn.Module):\n"
        "    def forward(self, x):\n        return x if random.random() < 0.1 else self.f(x)\n",
        good="import random\nimport torch\nclass Data:\n"
        "    def __getitem__(self, i):\n        return random.random()\n",
        grade="seen",
        sources=(EXPORT_PROBE,),
    ),
)
