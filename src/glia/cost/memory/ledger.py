"""The ledger of one rank: a model, a workload and a plan in, lines of bytes out.

Weights, gradients and optimizer state are counted; activations have the range between what a
compiler must keep and what eager PyTorch keeps; what a runtime takes comes from `reserves`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from glia.core.dtypes import dtype
from glia.core.figures import Estimate, Figure, exact
from glia.core.fit_records import MemoryLedger, MemoryLine, Plan
from glia.core.units import format_quantity
from glia.cost.memory.activations import Checkpointing, training_activations
from glia.cost.memory.architecture import Architecture, Block, Layer, Weight
from glia.cost.memory.forward import inference_activations
from glia.cost.memory.kept import Batch
from glia.cost.memory.kv_cache import CacheShape, cache_bytes
from glia.cost.memory.layouts import Range
from glia.cost.memory.optimizers import OPTIMIZERS, state_bytes
from glia.cost.memory.quantised import Quantised
from glia.cost.memory.reserves import Runtime, reserves
from glia.cost.memory.sharding import padded_vocab, share

COUNTED = "counted from the configuration"
TRACED = "the peak of the model's own code on example inputs"


@dataclass(frozen=True, slots=True)
class Workload:
    """What is to run. `num_sequences` is per model copy: the micro-batch of training, or the
    sequences that are served at once. Formats are names of `core.dtypes`.
    """

    job: Literal["train", "serve"]
    seq: int
    num_sequences: int
    dtype: str
    kv_dtype: str
    gradient_dtype: str
    optimizer: str = "adamw"
    checkpointing: Checkpointing = "none"
    zero: int = 0
    sequence_parallel: bool = False
    encoder_seq: int = 0

    @property
    def itemsize(self) -> int:
        """Bytes of one number of the weights."""
        return dtype(self.dtype).itemsize

    @property
    def activation_itemsize(self) -> int:
        """Bytes of one number of the activations: products of 8-bit formats are kept in 16 bits."""
        return max(2, self.itemsize)


@dataclass(frozen=True, slots=True)
class _Stage:
    """One pipeline stage of a plan, and how many micro-batches it holds at once."""

    architecture: Architecture
    num_in_flight: int


def model_lines(
    architecture: Architecture, work: Workload, plan: Plan, quantised: Quantised | None = None
) -> tuple[MemoryLine, ...]:
    """The model's own lines on the fullest rank: everything but runtime and collectives."""
    stages = [_lines(stage, work, plan, quantised) for stage in _stages(architecture, plan)]
    return max(stages, key=lambda lines: _sum(lines).likely)


def full_ledger(
    architecture: Architecture,
    work: Workload,
    plan: Plan,
    runtime: Runtime,
    cores_per_rank: int,
    quantised: Quantised | None = None,
) -> MemoryLedger:
    """The ledger of the fullest rank on a kind of chip."""
    lines = model_lines(architecture, work, plan, quantised)
    return with_runtime(lines, architecture, work, plan, runtime, cores_per_rank)


def with_runtime(
    lines: tuple[MemoryLine, ...],
    architecture: Architecture,
    work: Workload,
    plan: Plan,
    runtime: Runtime,
    cores_per_rank: int,
) -> MemoryLedger:
    """`lines` of the model with what collectives and the runtime take."""
    tensors = _sum(lines)
    active = next((line.num_bytes for line in lines if line.name == "activations"), None)
    lines += tuple(_collectives(architecture, work, plan))
    scratch = _share(active, runtime.scratch_of_activations) if active else None
    lines += (MemoryLine("scratch", scratch, runtime.scratch_of_activations.note),)
    if runtime.rings_of_tensors.estimate().high:
        rings = _share(tensors, runtime.rings_of_tensors)
        lines += (MemoryLine("DMA rings", rings, runtime.rings_of_tensors.note),)
    fixed = runtime.per_rank.estimate()
    per_core = runtime.per_core.estimate().scaled(cores_per_rank)
    what = runtime.per_rank.note
    if per_core.high:
        fixed, what = fixed.plus(per_core), f"{runtime.per_core.note}; {what}"
    lines += (MemoryLine("runtime and code", fixed, what),)
    known = [line for line in lines if line.num_bytes is not None]
    return MemoryLedger(lines, _sum(lines), len(known) == len(lines))


def _sum(lines: Iterable[MemoryLine]) -> Estimate:
    known = [line.num_bytes for line in lines if line.num_bytes is not None]
    total = sum_of(known)
    return replace(total, reason="the sum of the lines")


def sum_of(parts: Iterable[Estimate]) -> Estimate:
    """The sum of several numbers of bytes; nothing is 0."""
    total = exact(0, "B", "")
    for part in parts:
        total = total.plus(part)
    return total


def _share(whole: Estimate, part: Figure) -> Estimate:
    return whole.times(part.estimate(), "B")


def _stages(architecture: Architecture, plan: Plan) -> list[_Stage]:
    """The first, a middle and the last stage: one of them is the fullest.

    With one forward and one backward in turn, stage i of p holds p - i micro-batches.
    """
    if plan.pp == 1:
        return [_Stage(architecture, 1)]
    size = math.ceil(len(architecture.layers) / plan.pp)
    found = []
    for index in sorted({0, 1, plan.pp - 1}):
        part = replace(
            architecture,
            layers=architecture.layers[index * size : (index + 1) * size],
            embedding=architecture.embedding if index == 0 else Block(),
            head=_last_block(architecture) if index == plan.pp - 1 else Block(),
            num_logits=architecture.num_logits if index == plan.pp - 1 else 0,
        )
        found.append(_Stage(part, plan.pp - index))
    return found


def _last_block(architecture: Architecture) -> Block:
    """The head of the last stage; a tied one needs the embedding's matrix there again."""
    weights = architecture.embedding.weights if architecture.is_tied else ()
    tables = [w for w in weights if w.split == "vocab"]
    return architecture.head + Block(tuple(tables))


def _lines(
    stage: _Stage, work: Workload, plan: Plan, quantised: Quantised | None
) -> tuple[MemoryLine, ...]:
    parts = stage.architecture
    weights = _weights_line(parts, work, plan, quantised)
    if work.job == "serve":
        return (weights, *_cache_line(parts, work, plan), _serving_line(parts, work, plan))
    return (
        weights,
        _gradients_line(parts, work, plan),
        _optimizer_line(parts, work, plan),
        _training_line(stage, work, plan),
    )


def rank_elements(architecture: Architecture, weight: Weight, degree: int) -> float:
    """Elements of one weight on one rank; a vocabulary is padded to a multiple of `degree`."""
    kv_heads = min((a.num_kv_heads for a in architecture.attentions), default=1)
    total = float(weight.num_elements)
    if weight.split == "vocab" and architecture.vocab_size:
        total *= padded_vocab(architecture.vocab_size, degree) / architecture.vocab_size
    kv = weight.copies * weight.kv_elements
    rest = (total - kv) * share(weight.split, degree, kv_heads)
    return rest + kv * share("kv", degree, kv_heads)


def _rank_sum(
    architecture: Architecture, degree: int, per_weight: Callable[[Weight], float]
) -> float:
    """Sum of whole-weight bytes, each by its part on one rank; empty tensors take none."""
    return sum(
        per_weight(w) * rank_elements(architecture, w, degree) / w.num_elements
        for w in architecture.weights()
        if w.num_elements
    )


def _trained(parts: Architecture) -> Architecture:
    """The parts without the weights that are frozen: by adapters, or in code that was run."""
    if all(w.is_trained for w in parts.weights()):
        return parts
    made: dict[int, Layer] = {}  # layers alike stay one object
    for layer in parts.layers:
        made.setdefault(id(layer), replace(layer, block=_only_trained(layer.block)))
    return replace(
        parts,
        embedding=_only_trained(parts.embedding),
        layers=tuple(made[id(layer)] for layer in parts.layers),
        head=_only_trained(parts.head),
    )


def _only_trained(block: Block) -> Block:
    return replace(block, weights=tuple(w for w in block.weights if w.is_trained))


def _weights_line(
    parts: Architecture, work: Workload, plan: Plan, quantised: Quantised | None
) -> MemoryLine:
    divided = plan.dp if work.job == "train" and work.zero >= 3 else 1
    size = weight_bytes(parts, work, plan.tp, quantised)
    what = size.reason if _is_stored(parts, work, quantised) else work.dtype
    if own := sorted({w.itemsize for w in parts.weights() if w.itemsize}):
        what += f", adapters in {8 * own[0]} bits"
    if divided > 1:
        what += f", shared by {divided} data-parallel ranks"
    return MemoryLine("weights", size.scaled(1 / divided), what)


def _is_stored(parts: Architecture, work: Workload, quantised: Quantised | None) -> bool:
    """True when matrices are in the format of a quantised config: served, or frozen."""
    is_frozen = any(w.is_linear and not w.is_trained for w in parts.weights())
    return quantised is not None and (work.job == "serve" or is_frozen)


def weight_bytes(
    parts: Architecture, work: Workload, degree: int, quantised: Quantised | None
) -> Estimate:
    """All weights on one rank; served ones as a quantised config stores them."""
    if quantised is None or not _is_stored(parts, work, quantised):
        size = _rank_sum(parts, degree, lambda w: w.num_elements * (w.itemsize or work.itemsize))
        return exact(size, "B", COUNTED)
    stored = {w: _stored(w, work, quantised) for w in parts.weights()}
    low = _rank_sum(parts, degree, lambda w: stored[w][0])
    likely = _rank_sum(parts, degree, lambda w: stored[w][1])
    high = _rank_sum(parts, degree, lambda w: stored[w][2])
    reason = f"{quantised.method}: numbers and scales of the matrices, as the format stores them"
    if not quantised.is_known:
        reason = f"{quantised.method} is not modelled: from four bits to the unquantised format"
    return Estimate(low, likely, high, "B", reason)


def _stored(weight: Weight, work: Workload, quantised: Quantised) -> Range:
    """(least, likely, most) bytes; what is not quantised is in the format of the work."""
    if weight.is_linear:
        return quantised.bytes_of(weight)
    plain = float(weight.num_elements * (weight.itemsize or work.itemsize))
    return plain, plain, plain


def _gradients_line(parts: Architecture, work: Workload, plan: Plan) -> MemoryLine:
    divided = plan.dp if work.zero >= 2 else 1
    itemsize = dtype(work.gradient_dtype).itemsize
    trained = _trained(parts)
    size = _rank_sum(trained, plan.tp, lambda w: w.num_elements * (w.itemsize or itemsize))
    has_own = any(w.itemsize for w in trained.weights())
    what = "of the adapters, in their format" if has_own else work.gradient_dtype
    return MemoryLine("gradients", exact(size / divided, "B", COUNTED), what)


def _optimizer_line(parts: Architecture, work: Workload, plan: Plan) -> MemoryLine:
    optimizer, divided = OPTIMIZERS[work.optimizer], plan.dp if work.zero >= 1 else 1
    size = _rank_sum(
        _trained(parts), plan.tp, lambda w: state_bytes(optimizer, w, w.itemsize or work.itemsize)
    )
    size /= divided
    what = optimizer.title + (f", ZeRO over {divided} ranks" if divided > 1 else "")
    return MemoryLine("optimizer state", exact(size, "B", COUNTED), what)


def _batch(work: Workload, plan: Plan, num_sequences: int, seq: int) -> Batch:
    return Batch(num_sequences, seq, work.activation_itemsize, plan.tp, work.sequence_parallel)


def _training_line(stage: _Stage, work: Workload, plan: Plan) -> MemoryLine:
    parts, traced = stage.architecture, stage.architecture.traced
    if traced is not None:
        return _traced_line(traced.training_bytes, traced.training_inside, traced.why)
    seq = parts.tokens_per_sample or work.seq
    batch = _batch(work, plan, work.num_sequences, seq)
    eager = training_activations(parts, parts.layers, batch, work.checkpointing)
    fused = training_activations(parts, parts.layers, batch, work.checkpointing, only_products=True)
    likely = eager.kept * stage.num_in_flight + eager.working
    low = min(likely, fused.kept * stage.num_in_flight + fused.working)
    reason = "low: only what feeds a product is kept; likely: as eager PyTorch keeps it"
    kept, peak = (format_quantity(n, "B") for n in (eager.kept, eager.working))
    what = f"kept for the backward pass {kept}, in flight at the peak {peak}"
    if stage.num_in_flight > 1:
        what += f", {stage.num_in_flight} micro-batches"
    return MemoryLine("activations", Estimate(low, likely, likely, "B", reason), what)


def _serving_line(parts: Architecture, work: Workload, plan: Plan) -> MemoryLine:
    if parts.traced is not None:
        traced = parts.traced
        return _traced_line(traced.inference_bytes, traced.inference_inside, traced.why)
    seq = parts.tokens_per_sample or work.seq
    positions = 1 if parts.is_causal else seq
    one, many = (
        inference_activations(parts, _batch(work, plan, n, seq), positions)
        for n in (1, work.num_sequences)
    )
    likely = one if parts.is_causal else many
    reason = "low: sequences go through the model one by one; high: all at once"
    what = "prefill of one sequence" if parts.is_causal else "one forward pass of the batch"
    return MemoryLine("activations", Estimate(one, likely, many, "B", reason), what)


def _traced_line(num_bytes: float | None, inside: float, why: str) -> MemoryLine:
    if num_bytes is None:
        return MemoryLine("activations", None, why)
    if not inside:
        return MemoryLine("activations", exact(num_bytes, "B", TRACED), TRACED)
    reason = "low: without what kernels take inside; likely: with it, as a smaller run had it"
    found = Estimate(num_bytes - inside, num_bytes, num_bytes, "B", reason)
    return MemoryLine("activations", found, f"{TRACED}; {reason}")


def _cache_line(parts: Architecture, work: Workload, plan: Plan) -> tuple[MemoryLine, ...]:
    if parts.traced is not None:
        cached, what = parts.traced.cache_bytes, "how the model caches is not in its parameters"
        if cached:
            return (MemoryLine("KV cache", exact(cached, "B", TRACED), TRACED),)
        return (MemoryLine("KV cache", None, what),) if parts.is_causal and cached is None else ()
    if not any(layer.is_decoder for layer in parts.layers):
        return ()
    itemsize = dtype(work.kv_dtype).itemsize
    shape = CacheShape(work.num_sequences, work.seq, work.encoder_seq, itemsize, plan.tp)
    least, most = cache_bytes(parts.layers, shape)
    text = f"{work.kv_dtype}, {work.num_sequences} x {work.seq:,} tokens"
    if least == most:
        return (MemoryLine("KV cache", exact(least, "B", COUNTED), text),)
    reason = "low: the latent vector is cached; high: keys and values of every head"
    low, high = sorted((least, most))
    return (MemoryLine("KV cache", Estimate(low, low, high, "B", reason), f"{text}, latent"),)


def _collectives(architecture: Architecture, work: Workload, plan: Plan) -> Iterable[MemoryLine]:
    figures = reserves().collectives
    found: list[Estimate] = []
    notes: list[str] = []
    if plan.tp > 1:
        seq = architecture.tokens_per_sample or work.seq
        count = work.num_sequences if work.job == "train" else 1
        stream = float(architecture.hidden * seq * count * work.activation_itemsize)
        found.append(figures.stream_copies.estimate().scaled(stream, "B"))
        notes.append(figures.stream_copies.note)
    if plan.dp > 1 and work.job == "train":
        found.append(figures.bucket.estimate())
        notes.append(figures.bucket.note)
    if found:
        yield MemoryLine("collectives buffers", sum_of(found), "; ".join(notes))


def host_bytes(checkpoint_bytes: float) -> Estimate:
    """What loading a checkpoint of this size takes on the host, the system included."""
    host = reserves().host
    loading = host.copies.estimate().scaled(checkpoint_bytes, "B")
    return loading.plus(host.base.estimate())
