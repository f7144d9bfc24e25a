"""`glia fit`: what a model takes in memory, and the smallest machine that it works on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from glia.cli.options import Json, read_chips, read_list
from glia.cli.output import alone, print_json, result_console
from glia.cli.progress import progress_for
from glia.core.errors import UsageError


def _option(name: str, metavar: str, text: str, panel: str | None = None) -> Any:
    return typer.Option(name, metavar=metavar, help=text, rich_help_panel=panel)


_SHARDING, _TRAINING, _SERVING = "Parallelism", "Training", "Serving"
_MODEL = typer.Argument(
    metavar="MODEL",
    help="A Hugging Face folder or config.json (no weights needed), or FILE.py:FUNCTION.",
    show_default=False,
)
_TO = _option(
    "--to", "A,B", "Chips of the catalogue (glia chips); neuron, tpu, rocm, cpu for all of a kind."
)
_SEQ = _option("--seq", "N", "Tokens per sequence; if not given the model's, at most 4096.")
_BATCH = _option("--batch", "N", "Sequences that one copy of the model handles at once. [1]")
_DTYPE = _option("--dtype", "bf16|fp16|fp32|fp8", "Format of the weights. [bf16]")
_TP = _option("--tp", "N", "Tensor parallelism; searched if not given.", _SHARDING)
_PP = _option("--pp", "N", "Pipeline stages; searched if not given.", _SHARDING)
_DP = _option("--dp", "N", "Data parallelism of training; fills the machine.", _SHARDING)
_ZERO = _option(
    "--zero",
    "0|1|2|3",
    "What data-parallel ranks share: 1 optimizer, 2 and gradients, 3 and weights (FSDP).",
    _SHARDING,
)
_SEQUENCE = typer.Option(
    "--sequence-parallel",
    help="Divide along the sequence what tensor parallelism leaves whole.",
    rich_help_panel=_SHARDING,
)
_OPTIMIZER = _option(
    "--optimizer",
    "NAME",
    "adamw (float32 moments and master), adamw-plain, adafactor, sgd, sgd-momentum.",
    _TRAINING,
)
_CHECKPOINT = _option(
    "--checkpoint", "none|selective|layer", "Which activations are recomputed.", _TRAINING
)
_LORA = _option(
    "--lora",
    "RANK[:MAPS]",
    "Train adapters alone, beside all linear maps or those named: 16, 16:q_proj,v_proj.",
    _TRAINING,
)
_LORA_DTYPE = _option(
    "--lora-dtype",
    "fp32|bf16|fp16",
    "Format of the adapters, peft's if not given. [fp32]",
    _TRAINING,
)
_GRADIENT = _option(
    "--gradient-dtype", "bf16|fp16|fp32", "Format of gradients; else as the weights.", _TRAINING
)
_KV = _option(
    "--kv-dtype", "bf16|fp16|fp32|fp8", "Format of the KV cache; else as activations.", _SERVING
)


def fit_verb(
    model: Annotated[str, _MODEL],
    to: Annotated[str, _TO],
    train: Annotated[bool, typer.Option("--train", help="Train it.")] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Serve it; the default.")] = False,
    seq: Annotated[int | None, _SEQ] = None,
    batch: Annotated[int | None, _BATCH] = None,
    dtype: Annotated[str | None, _DTYPE] = None,
    tp: Annotated[int | None, _TP] = None,
    pp: Annotated[int | None, _PP] = None,
    dp: Annotated[int | None, _DP] = None,
    zero: Annotated[int, _ZERO] = 1,
    sequence_parallel: Annotated[bool, _SEQUENCE] = False,
    optimizer: Annotated[str, _OPTIMIZER] = "adamw",
    checkpoint: Annotated[str, _CHECKPOINT] = "none",
    gradient_dtype: Annotated[str | None, _GRADIENT] = None,
    lora: Annotated[str | None, _LORA] = None,
    lora_dtype: Annotated[str | None, _LORA_DTYPE] = None,
    kv_dtype: Annotated[str | None, _KV] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Show every machine tried.")] = False,
    json: Json = False,
) -> None:
    """What a model takes in memory, and the smallest machine that it works on.

    A config is read, no weights. A family that glia does not count itself is
    built by transformers and run without data, or with random numbers where
    its code looks at values. The module of FILE.py:FUNCTION runs on the CPU
    without data, forward and backward, then on its own inputs when it takes
    less than 2 GiB or does not run without data.
    """
    job = _job(train, serve)
    chips = _chips(to)
    from glia.port.fit.job import fit
    from glia.port.fit.request import FitRequest

    request = FitRequest(
        job=job,
        seq=seq,
        batch=batch,
        tp=tp,
        pp=pp,
        dp=dp,
        dtype=dtype,
        kv_dtype=kv_dtype,
        gradient_dtype=gradient_dtype,
        optimizer=optimizer,
        checkpoint=checkpoint,
        zero=zero,
        sequence_parallel=sequence_parallel,
        lora=lora,
        lora_dtype=lora_dtype,
    )
    with alone(json):
        report = fit(model, chips, request, progress_for(json))
    if json:
        print_json(report)
    else:
        from glia.report.fit_console import fit_view

        result_console().print(fit_view(report, show_all))
    if all(target.smallest is None for target in report.targets):
        raise typer.Exit(1)


def _chips(text: str) -> list[str]:
    """The chips of `--to`; of a kind of chips all that machines hold."""
    from glia.port.rules.rule import FAMILIES
    from glia.port.targets import chips_with_machines

    kinds: dict[str, str] = {family: ",".join(chips_with_machines(family)) for family in FAMILIES}
    names = read_list("--to", text)
    return read_chips("--to", ",".join(kinds.get(name, name) for name in names))


def _job(train: bool, serve: bool) -> Literal["train", "serve"]:
    if train and serve:
        raise UsageError(
            "glia fit: got --train and --serve, expected one of them; run it once for each"
        )
    return "train" if train else "serve"
