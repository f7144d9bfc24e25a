"""What was asked of `glia fit`, checked against the model, with defaults filled in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, cast

from glia.core.dtypes import dtype
from glia.core.errors import UsageError, choose
from glia.cost.memory.activations import Checkpointing
from glia.cost.memory.architecture import Architecture
from glia.cost.memory.ledger import Workload
from glia.cost.memory.lora import ALL_LINEAR, Lora
from glia.cost.memory.optimizers import OPTIMIZERS
from glia.cost.memory.sharding import allowed_degrees, judge_degree

FORMATS = {
    "fp32": "float32",
    "bf16": "bfloat16",
    "fp16": "float16",
    "fp8": "float8_e4m3",
}
CHECKPOINTING = ("none", "selective", "layer")
DEFAULT_SEQ = 4096
TRACED_SEQ = 512
MAX_DEGREE = 1024
MAX_RANK = 4096


@dataclass(frozen=True, slots=True)
class FitRequest:
    """The options of one run as given; None where the default depends on the model."""

    job: Literal["train", "serve"] = "serve"
    seq: int | None = None
    batch: int | None = None
    tp: int | None = None
    pp: int | None = None
    dp: int | None = None
    dtype: str | None = None
    kv_dtype: str | None = None
    gradient_dtype: str | None = None
    optimizer: str = "adamw"
    checkpoint: str = "none"
    zero: int = 1
    sequence_parallel: bool = False
    lora: str | None = None
    lora_dtype: str | None = None


def lora_of(request: FitRequest) -> Lora | None:
    """The adapters that are asked for: RANK or RANK:TARGET,TARGET; every linear map without.

    Raises:
        UsageError: for another text, or without training.
    """
    if request.lora is None:
        if request.lora_dtype is not None:
            raise UsageError("--lora-dtype: got a value without --lora; add --lora RANK")
        return None
    if request.job != "train":
        raise UsageError(
            "--lora: got adapters to serve, expected --train; merged into the weights they take "
            "nothing, so leave it out"
        )
    rank, colon, names = request.lora.partition(":")
    targets = tuple(name.strip() for name in names.split(",")) if colon else (ALL_LINEAR,)
    if not (rank.isascii() and rank.isdigit() and 1 <= int(rank) <= MAX_RANK) or "" in targets:
        raise UsageError(
            f"--lora: got {request.lora!r}, expected a rank from 1 to {MAX_RANK}, alone or with "
            f"the maps it adapts, as 16, 16:{ALL_LINEAR} or 16:q_proj,v_proj; correct it"
        )
    if ALL_LINEAR in targets and len(targets) > 1:
        raise UsageError(f"--lora: got {ALL_LINEAR} beside other targets; give one or the others")
    itemsize = dtype(_format("--lora-dtype", request.lora_dtype, "fp32")).itemsize
    if itemsize < 2:
        raise UsageError("--lora-dtype: got fp8, expected fp32, bf16 or fp16; use one of them")
    return Lora(int(rank), targets, itemsize)


def trained_itemsize(request: FitRequest) -> int:
    """Bytes of one number of the weights of a config."""
    return dtype(_format("--dtype", request.dtype, "bf16")).itemsize


def workload_of(request: FitRequest, model: Architecture) -> Workload:
    """The workload that a request means for a model.

    Raises:
        UsageError: for an option that makes no sense, alone or with this model.
    """
    if model.traced is not None:
        _refuse_for_traced(request, model.traced.has_own_inputs)
    name = model.dtype if model.traced is not None else _format("--dtype", request.dtype, "bf16")
    if request.job == "train" and name == FORMATS["fp8"]:
        raise UsageError(
            "--dtype: got fp8, expected bf16, fp16 or fp32 for training, whose weights are held in "
            "16 bits at least; use --dtype bf16"
        )
    choose("--optimizer", request.optimizer, OPTIMIZERS)
    choose("--checkpoint", request.checkpoint, CHECKPOINTING)
    if request.zero not in (0, 1, 2, 3):
        raise UsageError(f"--zero: got {request.zero}, expected 0, 1, 2 or 3; choose a stage")
    seq = _seq(request, model)
    return Workload(
        job=request.job,
        seq=seq,
        num_sequences=_positive("--batch", request.batch, 1),
        dtype=name,
        kv_dtype=_kv_format(request, name),
        gradient_dtype=_format("--gradient-dtype", request.gradient_dtype, name),
        optimizer=request.optimizer,
        checkpointing=cast(Checkpointing, request.checkpoint),
        zero=request.zero,
        sequence_parallel=request.sequence_parallel,
        encoder_seq=seq if model.has_encoder else 0,
    )


def _format(option: str, text: str | None, default: str) -> str:
    """The full name of a format; `default` may be a full name already."""
    if text is None:
        return FORMATS.get(default, default)
    return FORMATS[choose(option, text, FORMATS)]


def _kv_format(request: FitRequest, dtype: str) -> str:
    """The cache is in the format of the activations, which 8-bit weights do not change."""
    if request.kv_dtype is not None:
        return _format("--kv-dtype", request.kv_dtype, "bf16")
    return FORMATS["bf16"] if dtype == FORMATS["fp8"] else dtype


def _seq(request: FitRequest, model: Architecture) -> int:
    limit = model.num_positions
    if model.tokens_per_sample is not None:
        if request.seq not in (None, model.tokens_per_sample):
            raise UsageError(
                f"--seq: got {request.seq}, expected {model.tokens_per_sample}, the patches of one "
                "image; leave it out"
            )
        return model.tokens_per_sample
    usual = DEFAULT_SEQ if model.traced is None else TRACED_SEQ
    seq = _positive("--seq", request.seq, min(usual, limit or usual))
    if limit is not None and seq > limit:
        raise UsageError(
            f"--seq: got {seq:,}, expected at most {limit:,}, the positions of this model; use "
            "less, or a config with more"
        )
    return seq


def _positive(option: str, value: int | None, default: int) -> int:
    if value is None:
        return default
    if not 1 <= value <= 2**31:
        raise UsageError(f"{option}: got {value}, expected a whole number from 1; correct it")
    return value


def _refuse_for_traced(request: FitRequest, has_own_inputs: bool) -> None:
    """A captured model comes with its own inputs and format, and recomputes what it recomputes."""
    found: list[str] = []
    if has_own_inputs:
        given = {"--seq": request.seq, "--batch": request.batch, "--dtype": request.dtype}
        found += [name for name, value in given.items() if value is not None]
    if request.checkpoint == "selective" or (has_own_inputs and request.checkpoint != "none"):
        found.append(f"--checkpoint {request.checkpoint}")
    if request.kv_dtype is not None:
        found.append("--kv-dtype")
    if found:
        raise UsageError(
            f"{', '.join(found)}: got a value for a model that is run instead of counted, expected "
            "none; its own code, inputs and weights say it, so change them"
        )


def check_degrees(request: FitRequest, model: Architecture) -> None:
    """Refuse degrees that the model's sizes do not allow.

    Raises:
        UsageError: with what stands against it, and the degrees that do work.
    """
    for option, value in (("--tp", request.tp), ("--pp", request.pp), ("--dp", request.dp)):
        if value is not None and not 1 <= value <= MAX_DEGREE:
            raise UsageError(f"{option}: got {value}, expected 1 to {MAX_DEGREE}; correct it")
    if request.tp is not None:
        verdict = judge_degree(model, request.tp)
        if not verdict.is_allowed:
            allowed = ", ".join(map(str, allowed_degrees(model, MAX_DEGREE)))
            raise UsageError(
                f"--tp: got {request.tp}, but {'; '.join(verdict.problems)}; choose one of: "
                f"{allowed}"
            )
    num_layers = max(1, len(model.layers))
    if request.pp is not None and request.pp > num_layers:
        raise UsageError(
            f"--pp: got {request.pp}, expected at most {num_layers}, the layers of this model; use "
            "fewer stages"
        )


def alternatives(request: FitRequest, work: Workload) -> Iterator[tuple[str, Workload]]:
    """Single changes of a workload that take less memory, with the option that makes each."""
    if work.dtype == "float32":
        narrow = "bfloat16"
        yield (
            "--dtype bf16",
            replace(work, dtype=narrow, kv_dtype=narrow, gradient_dtype=narrow),
        )
    if work.job == "train":
        order = ("none", "selective", "layer")
        for name in order[order.index(work.checkpointing) + 1 :]:
            yield f"--checkpoint {name}", replace(work, checkpointing=cast(Checkpointing, name))
        for stage in range(work.zero + 1, 4):
            yield f"--zero {stage}", replace(work, zero=stage)
        if work.optimizer != "adafactor":
            yield "--optimizer adafactor", replace(work, optimizer="adafactor")
    else:
        if work.dtype in ("bfloat16", "float16"):
            yield "--dtype fp8", replace(work, dtype=FORMATS["fp8"])
        if work.kv_dtype != FORMATS["fp8"]:
            yield "--kv-dtype fp8", replace(work, kv_dtype=FORMATS["fp8"])
    for divisor in (2, 4, 8):
        if work.num_sequences >= divisor:
            size = work.num_sequences // divisor
            yield f"--batch {size}", replace(work, num_sequences=size)
        if work.seq // divisor >= 256:
            yield f"--seq {work.seq // divisor}", replace(work, seq=work.seq // divisor)
