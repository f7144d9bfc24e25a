"""Rules about global switches: precision of products, cuDNN, determinism, attention backends."""

from __future__ import annotations

from glia.port.rules.conditions import in_torch_file, is_true, last_name
from glia.port.rules.rule import HIP, Advice, Rule, keyword, per_family, setting, use
from glia.port.rules.sources import (
    COMPILER,
    GENERAL,
    NATIVE,
    PROBE,
    ROCM_TABLE,
    TRAINING_ARGUMENTS,
)
from glia.port.source.hits import Hit

_TF32 = Advice("raises", "tf32=torch.cuda.is_available()")
_ELSEWHERE = Advice("silent", "set it only where CUDA runs")


def _of_trainer(hit: Hit) -> bool:
    """`Trainer(benchmark=True)` of Lightning sets cuDNN's switch."""
    func = hit.call.func if hit.call is not None else None
    return is_true(hit) and last_name(func) == "Trainer" and in_torch_file(hit)


def _of_arguments(hit: Hit) -> bool:
    """`TrainingArguments(...)` of transformers and what inherits from it, as `SFTConfig`."""
    name = last_name(hit.call.func if hit.call is not None else None)
    return name.endswith(("TrainingArguments", "Config")) and in_torch_file(hit)


def _asks_for_tf32(hit: Hit) -> bool:
    return is_true(hit) and _of_arguments(hit)


def _asks_for_bfloat16(hit: Hit) -> bool:
    """Without `use_cpu`, which lifts the question for a GPU."""
    return _asks_for_tf32(hit) and hit.argument("use_cpu") is None


def _switches_tf32(hit: Hit) -> bool:
    return is_true(hit) and not _of_arguments(hit)


def _is_no_question(hit: Hit) -> bool:
    """`torch.backends.cuda.is_built()` sets nothing."""
    return not hit.key.rpartition(".")[2].startswith("is_")


RULES: tuple[Rule, ...] = (
    Rule(
        id="C049",
        title="a switch of CUDA's matmul precision",
        category="precision",
        why="it does nothing elsewhere, and float32 products come out otherwise",
        triggers=(
            use("torch.backends.cuda.*", when=_is_no_question),
            use("torch.backends.cudnn.allow_tf32"),
            use("torch.set_float32_matmul_precision", "torch.backends.cudnn.fp32_precision"),
            use("torch.backends.cudnn.conv.*", "torch.backends.fp32_precision"),
            keyword("tf32", "allow_tf32", when=_switches_tf32),
        ),
        on=per_family(
            Advice("silent", "the compiler's --auto-cast options say it there"),
            Advice("silent", 'torch_xla.backends.set_mat_mul_precision("highest")'),
            Advice("silent", "HIPBLASLT_ALLOW_TF32, in newer builds"),
            _ELSEWHERE,
        ),
        bad="import torch\ntorch.backends.cuda.matmul.allow_tf32 = True\n",
        good="import torch\ntorch.backends.mkldnn.is_available()\n",
        grade="documented",
        sources=(COMPILER, ROCM_TABLE, PROBE),
    ),
    Rule(
        id="C145",
        title="a trainer is asked for TF32",
        category="precision",
        why="transformers raises ValueError where it finds no NVIDIA GPU of Ampere or later",
        triggers=(keyword("tf32", when=_asks_for_tf32),),
        on=per_family(_TF32, _TF32, _TF32, _TF32),
        bad="from transformers import TrainingArguments\nargs = TrainingArguments(tf32=True)\n",
        good="from transformers import TrainingArguments\n"
        "args = TrainingArguments(tf32=torch.cuda.is_available())\n",
        grade="documented",
        sources=(TRAINING_ARGUMENTS,),
    ),
    Rule(
        id="C146",
        title="a trainer is asked for bfloat16",
        category="precision",
        why="transformers raises ValueError where it finds no accelerator that it knows, unless "
        "the CPU is asked for",
        triggers=(keyword("bf16", "bf16_full_eval", when=_asks_for_bfloat16),),
        on=per_family(
            Advice("works", "with torch-neuronx (XLA); no other device of Neuron is asked", "none"),
            Advice("works", "leave it: torch_xla is asked", "none"),
            HIP,
            Advice("raises", "use_cpu=True where there is no accelerator"),
        ),
        bad="from transformers import TrainingArguments\nargs = TrainingArguments(bf16=True)\n",
        good="from transformers import TrainingArguments\n"
        "args = TrainingArguments(bf16=True, use_cpu=use_cpu)\n",
        grade="documented",
        sources=(TRAINING_ARGUMENTS,),
    ),
    Rule(
        id="C050",
        title="a switch of cuDNN",
        category="flags",
        why="it does nothing where there is no cuDNN",
        triggers=(
            use("torch.backends.cudnn.*", "torch.backends.cudnn"),
            keyword("benchmark", when=_of_trainer),
            setting("cudnn_benchmark", "cudnn_enabled", when=is_true),
        ),
        on=per_family(
            _ELSEWHERE,
            _ELSEWHERE,
            Advice("works", "leave it: it steers MIOpen", "none"),
            _ELSEWHERE,
        ),
        bad="import torch\ntorch.backends.cudnn.benchmark = True\n",
        good="import torch\ntorch.set_num_threads(4)\n",
        grade="seen",
        sources=(PROBE, ROCM_TABLE, GENERAL),
    ),
    Rule(
        id="C051",
        title="determinism is asked for",
        category="flags",
        why="elsewhere the switch means less, or costs something else",
        triggers=(
            use("torch.backends.cudnn.deterministic", "torch.use_deterministic_algorithms"),
            use("torch.set_deterministic_debug_mode"),
            keyword("deterministic", when=_of_trainer),
            setting("cudnn_deterministic", when=is_true),
        ),
        on=per_family(
            Advice("slower", "mind that it turns off adaptive fusion in eager mode", "none"),
            Advice("works", "leave it: a compiled graph repeats itself", "none"),
        ),
        bad="import torch\ntorch.use_deterministic_algorithms(True)\n",
        good="import torch\ntorch.manual_seed(1)\n",
        grade="documented",
        sources=(NATIVE, ROCM_TABLE),
    ),
    Rule(
        id="C052",
        title="a backend of attention is chosen",
        category="kernels",
        why="the names are those of CUDA's kernels; one that is missing raises",
        triggers=(
            use("torch.nn.attention.sdpa_kernel", "torch.nn.attention.SDPBackend.*"),
            use(
                "torch.backends.cuda.sdp_kernel",
                "torch.backends.cuda.enable_flash_sdp",
                "torch.backends.cuda.enable_mem_efficient_sdp",
                "torch.backends.cuda.enable_math_sdp",
                "torch.backends.cuda.enable_cudnn_sdp",
                "torch.backends.cuda.SDPBackend.*",
            ),
        ),
        on=per_family(
            Advice("unknown", "leave the choice out"),
            Advice("unknown", "leave the choice out"),
            Advice("unknown", "leave the choice out"),
            Advice("raises", "leave the choice out: FLASH works, EFFICIENT raises"),
        ),
        bad="import torch\ntorch.backends.cuda.enable_flash_sdp(True)\n",
        good="from torch.nn.functional import scaled_dot_product_attention\n",
        grade="seen",
        sources=(PROBE, ROCM_TABLE),
    ),
)
