"""Rules about libraries and kernels that exist for CUDA only."""

from __future__ import annotations

import ast
import re

from glia.port.rules.conditions import (
    all_of,
    first_argument,
    given_text,
    given_value,
    in_torch_file,
    is_called,
    is_given,
    is_true,
)
from glia.port.rules.rule import (
    Advice,
    Rule,
    imports,
    keyword,
    library,
    method,
    per_family,
    setting,
    string,
    use,
)
from glia.port.rules.sources import GENERAL, NATIVE, NXD, PROBE, error_code
from glia.port.source.hits import Hit


def _is_a_provider(hit: Hit) -> bool:
    """Where ONNX Runtime is used, or a list of providers is given."""
    return "onnxruntime" in hit.module.roots or not isinstance(
        hit.module.parents.get(hit.node), ast.Compare
    )


# Of apex, and of DeepSpeed, which asks for them by name in its settings.
# Calls of flash_attn over packed sequences, of which another rule speaks as well.
PACKED_ATTENTION = (
    "flash_attn.flash_attn_varlen_func",
    "flash_attn.flash_attn_varlen_qkvpacked_func",
    "flash_attn.flash_attn_interface.flash_attn_varlen_func",
    "flash_attn.bert_padding.*",
)
FUSED_OPTIMIZERS = (
    "FusedAdam",
    "FusedLAMB",
    "FusedLamb",
    "FusedSGD",
    "FusedNovoGrad",
    "FusedAdagrad",
    "OneBitAdam",
    "OneBitLamb",
    "ZeroOneAdam",
)
# The modules of NVIDIA's cuda-python; `cuda` alone may be a module of the project.
_CUDA_PYTHON = ("bindings", "core", "cuda", "cudart", "nvrtc", "cooperative", "parallel", "nvvm")
# What the host calls; `grid` and its like stand inside kernels.
_NUMBA = (
    "jit",
    "to_device",
    "device_array",
    "device_array_like",
    "pinned_array",
    "mapped_array",
    "as_cuda_array",
    "select_device",
    "get_current_device",
    "current_context",
    "synchronize",
    "stream",
    "event",
)
_LOADERS = (
    "ctypes.CDLL",
    "ctypes.PyDLL",
    "ctypes.WinDLL",
    "ctypes.cdll.LoadLibrary",
    "ctypes.windll.LoadLibrary",
    "ctypes.util.find_library",
    "ctypes.cdll",
)
_CUDA_LIBRARY = re.compile(
    r"(?:.*[/\\])?(?:lib)?(?:cuda|cudart|cublas|cublasLt|cudnn|cufft|curand|cusolver|cusparse"
    r"|cutensor|nccl|nvrtc|nvcuda|nvidia-ml|nvToolsExt|nvjpeg)(?:[-_.\d*].*)?"
)
_FOUR_BITS = {"awq", "gptq", "awq_marlin", "gptq_marlin", "marlin", "squeezellm", "hqq"}


def _loads_cuda(hit: Hit) -> bool:
    """`ctypes.CDLL("libcudart.so.12")`, `find_library("cudnn")`."""
    value = first_argument(hit)
    if isinstance(value, ast.Call):  # CDLL(find_library(...)), which is found itself
        return False
    return _CUDA_LIBRARY.fullmatch(hit.module.string(value) or "") is not None


def _of_four_bits(hit: Hit) -> bool:
    return hit.module.string(given_value(hit)) in _FOUR_BITS


RULES: tuple[Rule, ...] = (
    Rule(
        id="C054",
        title="flash_attn is used",
        category="kernels",
        why="the package is built for CUDA; the import fails before anything runs",
        triggers=(
            *library("flash_attn", "flash_attn_interface", "flash_attn_2_cuda"),
            use(*PACKED_ATTENTION, when=is_called),
        ),
        on={
            "neuron": Advice(
                "raises", "torch.nn.functional.scaled_dot_product_attention, or an NKI kernel"
            ),
            "tpu": Advice("raises", "torch.nn.functional.scaled_dot_product_attention"),
            "rocm": Advice("unknown", "the builds for CK or Triton, per architecture", "hours"),
            "cpu": Advice("raises", "torch.nn.functional.scaled_dot_product_attention"),
        },
        bad="from flash_attn import flash_attn_func\n",
        good="from torch.nn.functional import scaled_dot_product_attention\n",
        grade="seen",
        sources=(PROBE, GENERAL),
    ),
    Rule(
        id="C057",
        title="xformers is used",
        category="kernels",
        why="its attention is a CUDA kernel",
        triggers=(
            *library("xformers"),
            method(
                "enable_xformers_memory_efficient_attention",
                "set_use_memory_efficient_attention_xformers",
            ),
        ),
        on={
            "neuron": Advice("raises", "torch.nn.functional.scaled_dot_product_attention"),
            "tpu": Advice("raises", "torch.nn.functional.scaled_dot_product_attention"),
            "rocm": Advice("unknown", "its CK build, or scaled_dot_product_attention", "hours"),
            "cpu": Advice("raises", "torch.nn.functional.scaled_dot_product_attention"),
        },
        bad="import xformers.ops as xops\n",
        good="import torch.nn.functional as F\n",
        grade="seen",
        sources=(GENERAL,),
    ),
    Rule(
        id="C060",
        title="triton is used",
        category="kernels",
        why="where Triton is absent the import stops the whole module, kernel used or not",
        triggers=(imports("triton"),),
        on={
            "neuron": Advice("raises", "import it lazily; write the kernel in NKI", "days"),
            "tpu": Advice("raises", "import it lazily; write the kernel in Pallas", "days"),
            "rocm": Advice("works", "tune it again", "hours"),
            "cpu": Advice("raises", "import it lazily; keep a PyTorch form", "hours"),
        },
        bad="import triton\nimport triton.language as tl\n",
        good='name = "triton"\n',
        grade="seen",
        sources=(PROBE,),
    ),
    Rule(
        id="C061",
        title="a CUDA extension is built or loaded",
        category="kernels",
        why="it needs nvcc",
        triggers=(
            use("torch.utils.cpp_extension.CUDAExtension", "torch.utils.cpp_extension.CUDA_HOME"),
            use("torch.utils.cpp_extension.load", "torch.utils.cpp_extension.load_inline"),
        ),
        on={
            "neuron": Advice("raises", "write it with torch operators, else in NKI", "days"),
            "tpu": Advice("raises", "write it with torch operators, else in Pallas", "days"),
            "rocm": Advice("works", "hipify it through CUDAExtension", "hours"),
            "cpu": Advice("raises", "CppExtension, or torch operators", "days"),
        },
        bad="from torch.utils.cpp_extension import CUDAExtension\next = CUDAExtension('a', [])\n",
        good="from torch.utils.cpp_extension import CppExtension\next = CppExtension('a', [])\n",
        grade="seen",
        sources=(PROBE, GENERAL),
    ),
    Rule(
        id="C063",
        title="apex, or an optimizer of its fused kernels, is used",
        category="libs",
        why="its optimizers and layers are CUDA kernels",
        triggers=(
            *library("apex"),
            string(*FUSED_OPTIMIZERS),
            keyword(
                "half_precision_backend",
                "fp16_backend",
                "amp_backend",
                "optim",
                when=given_text("apex|adamw_apex_fused"),
            ),
        ),
        on={
            "neuron": Advice("raises", "torch.optim and torch.nn have the same"),
            "tpu": Advice("raises", "torch.optim and torch.nn have the same"),
            "rocm": Advice("unknown", "ROCm's fork of apex", "hours"),
            "cpu": Advice("raises", "torch.optim and torch.nn have the same"),
        },
        bad="from apex.optimizers import FusedAdam\n",
        good="from torch.optim import AdamW\n",
        grade="general",
        sources=(GENERAL,),
    ),
    Rule(
        id="C064",
        title="weights are loaded by bitsandbytes",
        category="libs",
        why="its 4- and 8-bit kernels are for CUDA",
        triggers=(
            *library("bitsandbytes"),
            use("transformers.BitsAndBytesConfig", "diffusers.BitsAndBytesConfig"),
            use("peft.prepare_model_for_kbit_training"),
            keyword("load_in_8bit", "load_in_4bit", when=is_true),
            setting("load_in_8bit", "load_in_4bit", when=is_true),
        ),
        on={
            "neuron": Advice("raises", "bf16, or the fp8 path of the serving stack", "days"),
            "tpu": Advice("raises", "bf16, or the int8 path of the serving stack", "days"),
            "rocm": Advice("unknown", "its build for several backends", "hours"),
            "cpu": Advice("unknown", "its build for several backends", "hours"),
        },
        bad="import bitsandbytes as bnb\n",
        good="import torch\n",
        grade="seen",
        sources=(GENERAL,),
    ),
    Rule(
        id="C066",
        title="deepspeed is used",
        category="libs",
        why="accelerate refuses it on Neuron devices",
        triggers=(
            *library("deepspeed"),
            keyword("deepspeed", "deepspeed_plugin", when=all_of(in_torch_file, is_given)),
            keyword("strategy", when=all_of(in_torch_file, given_text("deepspeed.*"))),
            use("accelerate.DeepSpeedPlugin", "accelerate.utils.DeepSpeedPlugin", when=is_called),
            use(
                "lightning.pytorch.strategies.DeepSpeedStrategy",
                "lightning.fabric.strategies.DeepSpeedStrategy",
                "pytorch_lightning.strategies.DeepSpeedStrategy",
                when=is_called,
            ),
        ),
        on={
            "neuron": Advice("raises", "FSDP", "days"),
            "tpu": Advice("raises", "FSDP of torch_xla, or SPMD", "days"),
            "rocm": Advice("works", "leave it", "none"),
            "cpu": Advice("slower", "leave it for trials", "none"),
        },
        bad="import deepspeed\n",
        good="from torch.distributed import fsdp\n",
        grade="seen",
        sources=(NATIVE, GENERAL),
    ),
    Rule(
        id="C149",
        title="megatron is used",
        category="libs",
        why="its groups are NCCL's, its random states and fused kernels CUDA's",
        triggers=(imports("megatron"),),  # once per import: to go from it is one decision
        on={
            "neuron": Advice("raises", "the parallel layers of NeuronX Distributed", "days"),
            "tpu": Advice("raises", "SPMD of torch_xla", "days"),
            "rocm": Advice("unknown", "AMD keeps a fork of it: compare versions", "hours"),
            "cpu": Advice("raises", "trials with gloo and plain layers", "hours"),
        },
        bad="from megatron.core import parallel_state\n",
        good="from torch.distributed import fsdp\n",
        grade="seen",
        sources=(NXD, GENERAL),
    ),
    Rule(
        id="C070",
        title="a library of the CUDA runtime is used",
        category="libs",
        why="it needs the CUDA runtime itself",
        triggers=(
            *library("cupy", "cupyx", "pycuda", "skcuda", "cudf", "cuml", "cugraph", "cuspatial"),
            *library(*(f"cuda.{part}" for part in _CUDA_PYTHON)),
            imports("numba.cuda"),
            use(*(f"numba.cuda.{name}" for name in _NUMBA)),
            use(*_LOADERS, when=_loads_cuda),
        ),
        on={
            "neuron": Advice("raises", "NumPy or torch", "hours"),
            "tpu": Advice("raises", "NumPy or torch", "hours"),
            "rocm": Advice("unknown", "cupy has an experimental build", "hours"),
            "cpu": Advice("raises", "NumPy or torch", "hours"),
        },
        bad="from numba import cuda\n",
        good="from numba import njit\n",
        grade="general",
        sources=(GENERAL,),
    ),
    Rule(
        id="C065",
        title="an optimizer with 8-bit or paged state",
        category="libs",
        why="it is a kernel of bitsandbytes",
        triggers=(
            use("bitsandbytes.optim.*"),
            string(
                "adamw_8bit",
                "adamw_bnb_8bit",
                "paged_adamw_8bit",
                "paged_adamw_32bit",
                "lion_8bit",
                "paged_lion_8bit",
            ),
        ),
        on=per_family(
            Advice("raises", "AdamW with sharded state"),
            Advice("raises", "AdamW with sharded state"),
            Advice("unknown", "the build for several backends"),
            Advice("raises", "AdamW"),
        ),
        bad='args = TrainingArguments(optim="paged_adamw_8bit")\n',
        good='args = TrainingArguments(optim="adamw_torch")\n',
        grade="seen",
        sources=("https://github.com/bitsandbytes-foundation/bitsandbytes/issues/719",),
    ),
    Rule(
        id="C067",
        title="transformer_engine is used",
        category="libs",
        why="its layers are CUDA kernels",
        triggers=(*library("transformer_engine", "transformer_engine_torch"),),
        on=per_family(
            Advice("raises", "the layers of torch.nn, and the fp8 of the chip", "days"),
            Advice("raises", "the layers of torch.nn", "days"),
            Advice("unknown", "a fork has part of it", "hours"),
            Advice("raises", "the layers of torch.nn", "hours"),
        ),
        bad="import transformer_engine.pytorch as te\n",
        good="import torch.nn as nn\n",
        grade="general",
        sources=(GENERAL,),
    ),
    Rule(
        id="C068",
        title="a loss or layer fused in Triton is used",
        category="libs",
        why="it is written in Triton",
        triggers=(
            *library("liger_kernel", "cut_cross_entropy", "unsloth"),
            keyword("use_liger_kernel", "use_liger", when=all_of(in_torch_file, is_true)),
        ),
        on=per_family(
            Advice("raises", "cross-entropy by chunks, in PyTorch", "hours"),
            Advice("raises", "cross-entropy by chunks, in PyTorch", "hours"),
            Advice("works", "leave it: Triton", "none"),
            Advice("raises", "cross-entropy by chunks, in PyTorch", "hours"),
        ),
        bad="from liger_kernel.transformers import LigerCrossEntropyLoss\n",
        good="from torch.nn import CrossEntropyLoss\n",
        grade="general",
        sources=(GENERAL, "https://github.com/meta-pytorch/tritonbench/pull/1123"),
    ),
    Rule(
        id="C069",
        title="weights of 4 bits are loaded",
        category="libs",
        why="the kernels that unpack them are for CUDA",
        triggers=(
            *library(
                "auto_gptq", "gptqmodel", "awq", "hqq", "exllamav2", "optimum.gptq", "torchao"
            ),
            use("transformers.GPTQConfig", "transformers.AwqConfig", "transformers.HqqConfig"),
            keyword("quantization", when=_of_four_bits),
        ),
        on=per_family(
            Advice("raises", "turn them into bf16 or fp8 beforehand", "days"),
            Advice("raises", "turn them into bf16 beforehand", "days"),
            Advice("unknown", "some of the kernels exist", "hours"),
            Advice("raises", "turn them into bf16 or float32 beforehand", "hours"),
        ),
        bad="from awq import AutoAWQForCausalLM\n",
        good="from transformers import AutoModelForCausalLM\n",
        grade="seen",
        sources=(
            error_code("EVRF022"),
            "https://github.com/vllm-project/vllm/issues/10946",
        ),
    ),
    Rule(
        id="C071",
        title="TensorRT is used",
        category="libs",
        why="it is for GPUs of NVIDIA",
        triggers=(*library("tensorrt", "torch2trt", "torch_tensorrt", "tensorrt_llm"),),
        on=per_family(
            Advice("raises", "compile for Neuron", "days"),
            Advice("raises", "compile ahead of time through XLA", "days"),
            Advice("raises", "MIGraphX", "days"),
            Advice("raises", "ONNX Runtime or OpenVINO", "days"),
        ),
        bad="import tensorrt as trt\n",
        good="import onnxruntime as ort\n",
        grade="general",
        sources=(GENERAL, "https://github.com/ROCm/AMDMIGraphX/issues/4846"),
    ),
    Rule(
        id="C140",
        title="ONNX Runtime is told to run on CUDA",
        category="libs",
        why="a build without CUDA leaves that provider out, warns, and runs on the host",
        triggers=(
            string("CUDAExecutionProvider", "TensorrtExecutionProvider", when=_is_a_provider),
        ),
        on=per_family(
            Advice("silent", "compile the PyTorch model for Neuron; there is no provider", "days"),
            Advice("silent", "StableHLO from the PyTorch model; there is no provider", "days"),
            Advice("silent", "ROCMExecutionProvider or MIGraphXExecutionProvider"),
            Advice("silent", "CPUExecutionProvider"),
        ),
        bad='import onnxruntime as ort\nkinds = ["CUDAExecutionProvider"]\n',
        good='import onnxruntime as ort\nkinds = ["CPUExecutionProvider"]\n',
        grade="general",
        sources=(GENERAL,),
    ),
)
