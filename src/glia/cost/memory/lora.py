"""LoRA: frozen weights, and beside chosen linear maps two small ones that are trained.

A map of `columns` inputs to `rows` outputs gets A, (rank, columns), and B, (rows, rank), and gives
base(x) + B(A(x)) x scale. What autograd keeps then is less: the input of a frozen map is kept
where an adapter reads it, and the scaled value of a norm not at all. As peft does it, the adapters
are in float32 beside weights in a narrower format, so that each reads a float32 copy of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from glia.core.errors import UsageError
from glia.cost.memory.architecture import Architecture, Block, Kept, Kind, Layer, Weight

ALL_LINEAR = "all-linear"
# What stands behind the layers: never adapted; one that tells classes is trained as a copy.
_OUTPUTS = ("lm_head", "embed_out")
_CLASSES = ("score", "classifier")


@dataclass(frozen=True, slots=True)
class Lora:
    """Adapters of `rank` beside the linear maps whose names end as one of `targets`.

    `targets` may be `ALL_LINEAR` alone. `itemsize` is that of the adapters' numbers.
    """

    rank: int
    targets: tuple[str, ...]
    itemsize: int

    def takes(self, path: str) -> bool:
        """True for the linear map at `path`; as peft compares: the whole, or its last parts."""
        if self.targets == (ALL_LINEAR,):
            return path not in (*_OUTPUTS, *_CLASSES)
        return any(path == t or path.endswith(f".{t}") for t in self.targets)


def with_adapters(model: Architecture, lora: Lora, itemsize: int) -> Architecture:
    """The model with everything frozen but the adapters; its own numbers have `itemsize` bytes.

    Raises:
        UsageError: for a target that no linear map has.
    """
    _check_targets(model, lora)
    lora = replace(lora, itemsize=max(lora.itemsize, itemsize))  # never narrower than the weights
    is_wide = lora.itemsize > itemsize
    made: dict[tuple[int, bool], Layer] = {}
    layers = []
    for index, layer in enumerate(model.layers):
        is_first = index == 0 or layer.is_decoder != model.layers[index - 1].is_decoder
        key = (id(layer), is_first)
        if key not in made:
            block = _adapted(layer.block, lora, is_wide)
            block = _from_first(block, layer.block) if is_first else block
            made[key] = replace(layer, block=block)
        layers.append(made[key])
    first = _adapted(model.embedding, lora, is_wide)
    # No gradient goes beyond the first adapter: what stands before the layers keeps its biases of
    # scores alone, which the kernels of attention read.
    first = replace(first, kept=tuple(k for k in first.kept if k.per_score))
    head = _with_classes(model, _adapted(model.head, lora, is_wide))
    return replace(model, layers=tuple(layers), embedding=first, head=head)


def num_trained(model: Architecture) -> int:
    """Elements of the parameters that are trained."""
    return sum(w.num_elements for w in model.weights() if w.is_trained)


def _check_targets(model: Architecture, lora: Lora) -> None:
    maps = sorted({path for path, _ in _maps(model.weights())})
    for target in () if lora.targets == (ALL_LINEAR,) else lora.targets:
        if not any(replace(lora, targets=(target,)).takes(path) for path in maps):
            names = sorted({path.rpartition(".")[2] for path in maps})
            raise UsageError(
                f"--lora: got target {target!r}, expected {ALL_LINEAR} or some of "
                f"{', '.join(names)}, the linear maps of this model; correct it"
            )


def _maps(weights: Iterator[Weight] | tuple[Weight, ...]) -> Iterator[tuple[str, Weight]]:
    """The linear maps with their paths; experts are stacks of matrices, which are none."""
    for weight in weights:
        if weight.is_linear and len(weight.shape) == 2:
            yield weight.name.removesuffix(".weight"), weight


def _adapted(block: Block, lora: Lora, is_wide: bool) -> Block:
    frozen = tuple(replace(w, is_trained=False) for w in block.weights)
    taken = [(path, w) for path, w in _maps(block.weights) if lora.takes(path)]
    added = tuple(a for path, w in taken for a in _adapter(path, w, lora))
    inputs = {w.reads for _, w in taken if not is_wide}
    kept = tuple(k for k in block.kept if not k.for_weights or k.name in inputs)
    known = {k.name for k in kept}
    for path, weight in taken:
        if is_wide or weight.reads not in known:
            kept += (_input(path, weight, is_wide),)
        if weight.reads and not is_wide:
            known.add(weight.reads)
        kept += (_between(path, lora, is_wide),)
    return Block(frozen + added, kept)


def _from_first(block: Block, plain: Block) -> Block:
    """The first layer of a stack, where no gradient goes beyond the first adapter.

    What its first norm reads is not kept; nor is a feed-forward without adapters that reads that
    norm as well. Targets further on would spare more of this one layer, which is counted.
    """
    maps = [w for w in plain.weights if w.is_linear and not w.cuts_inputs]
    first = next((w.reads for w in maps if w.split in ("heads", "kv")), "")
    norm, _, end = first.rpartition(" ")
    if end != "result":
        return block
    names = {f"{norm} {part}" for part in ("input", "differences", "deviation", "statistics")}
    gone = {k.name for k in block.kept if k.name in names | {"attention input", "layer input"}}
    feeds = [w for w in maps if w.split == "width"]
    adapted = {w.name.partition(".lora_")[0] for w in block.weights if w.is_trained}
    inside = {w.name.removesuffix(".weight") for w in plain.weights if w.split == "width"}
    if feeds and all(w.reads == first for w in feeds) and not adapted & inside:
        gone |= {k.name for k in block.kept if k.split == "width"}
    return replace(block, kept=tuple(k for k in block.kept if k.name not in gone))


def _adapter(path: str, weight: Weight, lora: Lora) -> Iterator[Weight]:
    """A and B. Where parallelism divides the inputs of the map A is divided, else B."""
    rows, columns = weight.shape
    outside = "all" if weight.cuts_inputs else weight.split
    inside = weight.split if weight.cuts_inputs else "all"
    kv = weight.kv_elements // columns * lora.rank
    first = Weight(f"{path}.lora_A.weight", (lora.rank, columns), inside)
    second = Weight(f"{path}.lora_B.weight", (rows, lora.rank), outside, kv)
    for part in (first, second):
        yield replace(part, copies=weight.copies, itemsize=lora.itemsize)


def _input(path: str, weight: Weight, is_wide: bool) -> Kept:
    """What A reads, where no other part keeps it."""
    split = weight.split if weight.cuts_inputs else "all"
    kind: Kind = "float32" if is_wide else "model"
    columns = weight.copies * weight.shape[1]
    return Kept(f"{path}.lora_A input", columns, split=split, kind=kind, is_matmul=True)


def _between(path: str, lora: Lora, is_wide: bool) -> Kept:
    """What A gives to B."""
    kind: Kind = "float32" if is_wide else "model"
    return Kept(f"{path}.lora_B input", lora.rank, kind=kind, is_matmul=True)


def _with_classes(model: Architecture, head: Block) -> Block:
    """A head that tells classes is trained whole, as a copy beside the frozen one."""
    own = [w for w in model.head.weights if w.name.split(".")[0] in _CLASSES]
    copies = tuple(replace(w, name=f"modules_to_save.{w.name}") for w in own)
    return replace(head, weights=head.weights + copies)
