"""Where the rules look outside Python: which clue makes which rule speak.

The rules are those of `port/rules/`; a row adds places to one of them. `glia explain` and the
pages in docs/rules/ say so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from glia.port.configs.clue import Clue, ClueKind
from glia.port.rules.libraries import FUSED_OPTIMIZERS

Condition = Callable[[Clue], bool]

_ON = {"true", "yes", "on", "1", "{}"}
_FLOAT16 = {"float16", "fp16", "half", "torch.float16", "torch.half", "16-mixed", "16-true", "16"}
_FLOAT64 = {"float64", "fp64", "double", "torch.float64", "torch.double", "64-true", "64"}
_CUDA = re.compile(r"cuda(:\d+)?")
_EIGHT_BITS = re.compile(r"paged_\w+|\w+_8bit|\w+8bit\w*")
_FOUR_BITS = {"gptq", "awq", "hqq", "gptq_marlin", "awq_marlin", "marlin", "exl2", "aqlm"}
_IMAGE = re.compile(
    r"(?:^|[/#])nvidia/|[-:_.]cu(?:da)?-?\d|cuda\d*|-gpu(?:[-:]|$)|deepspeed/|tensorrt|(?:^|/)vllm/",
    re.IGNORECASE,
)
_INDEX = re.compile(r"/whl/(?:nightly/|test/)?cu\d+|[+_]cu\d{2,}|/cu\d{3}/|-cu\d{2,}")
_VENDOR_FILES = re.compile(r"developer\.download\.nvidia\.com|nvidia\.github\.io|/cuda[-_]\d")
_GPU_NAMES = re.compile(
    r"(?i)(?<![a-z])(?:[ahvp]100|h200|b200|gh200|a10g?|a40|l4|l40s?|t4|a6000|rtx\w*|gpu\w*|nvidia"
    r"|volta|ampere|hopper|blackwell|turing|cuda)(?![a-z])"
)
_GPU_MACHINES = re.compile(
    r"(?:ml\.)?(?:p[2-6]\w*|g[4-7]\w*)\.\w+|a[234]-\w+gpu\S*|a3-\S+|g2-standard\S*"
    r"|Standard_N[CDV]\S*|nvidia-\S+"
)
_GPU_GRES = re.compile(r"gpu|ngpus=\d")
_SYSTEM = re.compile(
    r"cuda(?:[-/.\d]|$)|cudnn/|nccl/|libcu\w+|libnccl|libnv\w+|nvidia-|tensorrt|libcudnn"
)


@dataclass(frozen=True, slots=True)
class Row:
    """Rule `rule` speaks on clues of a kind under one of `keys`, on which `when` holds.

    A key that ends in `*` stands for all that begin so.
    """

    rule: str
    kind: ClueKind
    keys: tuple[str, ...]
    when: Condition | None = None


def _value(*texts: str) -> Condition:
    wanted = frozenset(texts)
    return lambda clue: clue.value.strip().lower() in wanted


def _is_on(clue: Clue) -> bool:
    """`fp16: true`, `--fp16`, and DeepSpeed's `"fp16": {"enabled": true}`."""
    return clue.value.strip().lower() in _ON - {"{}"}


def _is_given(clue: Clue) -> bool:
    return clue.value.strip().lower() not in ("", "false", "no", "off", "none", "null", "0", "~")


def _is_several(clue: Clue) -> bool:
    """A number above 1, or a word or variable that stands for one."""
    value = clue.value.strip().lower()
    return _is_given(clue) and value not in ("1", "true", "cpu")


def _matches(pattern: re.Pattern[str], whole: bool = False) -> Condition:
    test = pattern.fullmatch if whole else pattern.search
    return lambda clue: test(clue.value.strip()) is not None


def _key_matches(pattern: re.Pattern[str]) -> Condition:
    return lambda clue: pattern.match(clue.key) is not None


def _is_enabled_under(name: str) -> Condition:
    return lambda clue: bool(clue.path) and clue.path[-1] == name and _is_on(clue)


def _names_cuda(clue: Clue) -> bool:
    """`device: cuda`, under whatever key; not `pytest -k cuda`, nor words about the project."""
    is_device = _CUDA.fullmatch(clue.value.strip()) is not None
    about = {clue.key, *(key.lower() for key in clue.path)}
    return is_device and len(clue.key) > 1 and not about & _LABELS


def _is_cuda_item(clue: Clue) -> bool:
    return _CUDA.fullmatch(clue.value.strip()) is not None and "device" in clue.key


def _is_float(values: set[str]) -> Condition:
    def holds(clue: Clue) -> bool:
        about = "dtype" in clue.key or "precision" in clue.key
        return about and clue.value.strip().lower() in values

    return holds


def _is_accelerate_float16(clue: Clue) -> bool:
    """`accelerate config` writes this word; Lightning and PyTorch have others for it."""
    return not clue.path and clue.value.strip().lower() == "fp16"


def _is_other_float16(clue: Clue) -> bool:
    return _is_float(_FLOAT16)(clue) and not (
        clue.key == "mixed_precision" and _is_accelerate_float16(clue)
    )


def _asks_gpu_device(clue: Clue) -> bool:
    """docker-compose: `devices: [{capabilities: [gpu]}]`."""
    return clue.value.strip().lower() == "gpu" and "devices" in clue.path


def _is_under(name: str) -> Condition:
    """`trainer: {benchmark: true}`: on, somewhere below a key of this name."""
    return lambda clue: name in (key.lower() for key in clue.path) and _is_on(clue)


def _is_a_container_flag(clue: Clue) -> bool:
    """`singularity exec --nv image.sif`: the word behind the flag is the image."""
    value = clue.value.strip()
    return value.lower() == "true" or value.endswith(".sif") or "/" in value


def _is_limit(clue: Clue) -> bool:
    """A limit of Kubernetes; what is requested beside it says the same again."""
    return _is_given(clue) and "requests" not in clue.path


_EVERYWHERE = {"type", "name", "key", "uses", "runs_on", "enabled", "driver", "PATH"}
_LABELS = {
    "keywords",
    "markers",
    "tags",
    "name",
    "title",
    "description",
    "topic",
    "id",
    "label",
    "labels",
    "matchlabels",
    "annotations",
    "selector",
    "app",
    "metadata",
}

ROWS: tuple[Row, ...] = (
    # devices
    Row("C003", "entry", ("*",), _names_cuda),
    Row("C003", "item", ("*",), _is_cuda_item),
    Row("C003", "variable", ("*DEVICE*", "*ACCELERATOR*"), _matches(_CUDA, True)),
    Row("C128", "entry", ("device_map",),
        _value("auto", "balanced", "balanced_low_0", "sequential")),
    # precision
    Row("C042", "entry", ("fp16", "half", "use_fp16", "float16"), _is_on),
    Row("C042", "entry", ("enabled",), _is_enabled_under("fp16")),
    Row("C147", "entry", ("mixed_precision",), _is_accelerate_float16),
    Row("C042", "entry", ("*",), _is_other_float16),
    Row("C044", "entry", ("*",), _is_float(_FLOAT64)),
    Row("C048", "entry", ("fp8", "use_fp8"), _is_on),
    Row("C048", "entry", ("mixed_precision",), _value("fp8")),
    Row("C049", "entry", ("tf32", "allow_tf32", "use_tf32"), _is_on),
    Row("C050", "entry", ("cudnn_benchmark", "cudnn.benchmark", "cudnn_enabled"), _is_on),
    Row("C050", "entry", ("benchmark",), _is_under("trainer")),
    Row("C051", "entry", ("deterministic",), _is_under("trainer")),
    Row("C051", "entry", ("cudnn_deterministic", "use_deterministic_algorithms"), _is_on),
    # data
    Row("C033", "entry", ("pin_memory", "pin_mem", "dataloader_pin_memory"), _is_on),
    Row("C035", "entry", ("num_workers", "dataloader_num_workers"), _is_given),
    Row("C035", "entry", ("persistent_workers",), _is_on),
    Row("C036", "entry", ("drop_last", "dataloader_drop_last"), _value("false", "no", "off")),
    # kernels and libraries
    Row("C056", "entry", ("*",), _value("flash_attention_2", "flash_attention_3")),
    Row("C056", "entry", ("use_flash_attn", "use_flash_attention*", "flash_attention"), _is_on),
    Row("C057", "entry", ("xformers", "use_xformers", "*xformers*attention"), _is_on),
    Row("C064", "entry", ("load_in_4bit", "load_in_8bit"), _is_on),
    Row("C065", "entry", ("optim", "optimizer", "optimizer_type"), _matches(_EIGHT_BITS, True)),
    Row("C063", "entry", ("optim", "fp16_backend", "half_precision_backend", "layernorm"),
        _matches(re.compile("apex"))),
    Row("C066", "entry", ("zero_optimization",), None),
    Row("C066", "entry", ("deepspeed", "deepspeed_config", "deepspeed_config_file",
                          "use_deepspeed", "deepspeed_plugin"), _is_given),
    Row("C066", "entry", ("distributed_type", "strategy"), _matches(re.compile("(?i)deepspeed"))),
    Row("C066", "program", ("deepspeed",), None),
    Row("C069", "entry", ("quantization", "quant_method", "quantization_method", "quantize"),
        _value(*_FOUR_BITS)),
    Row("C067", "entry", ("transformer_impl", "backend"), _value("transformer_engine")),
    Row("C133", "entry", ("gpu_memory_utilization", "mem_fraction_static"), _is_given),
    # compilers, many devices
    Row("C072", "entry", ("torch_compile", "compile_model", "use_compile", "compile"), _is_on),
    Row("C072", "entry", ("dynamo_backend",), _value("inductor", "cudagraphs")),
    Row("C073", "entry", ("*",), _value("max-autotune", "reduce-overhead",
                                        "max-autotune-no-cudagraphs")),
    Row("C103", "entry", ("*",), _value("nccl", "cpu:gloo,cuda:nccl")),
    Row("C109", "entry", ("distributed_type", "strategy"), _matches(re.compile("(?i)fsdp"))),
    Row("C109", "entry", ("fsdp", "fsdp_config", "use_fsdp"), _is_given),
    Row("C108", "entry", ("strategy",), _value("dp")),
    Row("C110", "entry", ("tensor_parallel_size", "tp_size", "tp_degree",
                          "tensor_model_parallel_size"), _is_several),
    Row("C114", "entry", ("pipeline_model_parallel_size", "pipeline_parallel_size", "pp_size"),
        _is_several),
    Row("C117", "entry", ("sync_batchnorm", "sync_bn", "syncbn", "use_sync_bn"), _is_on),
    Row("C118", "entry", ("fused",), _is_on),
    Row("C118", "entry", ("optim",), _value("adamw_torch_fused")),
    Row("C119", "entry", ("capturable",), _is_on),
    Row("C142", "entry", ("foreach",), _is_on),
    Row("C063", "entry", ("type", "name", "optimizer", "optim", "optimizer_type"),
        _value(*(name.lower() for name in FUSED_OPTIMIZERS))),
    Row("C121", "entry", ("gradient_checkpointing", "activation_checkpointing",
                          "use_gradient_checkpointing", "recompute_activations"), _is_on),
    Row("C129", "entry", ("offload_optimizer", "offload_param", "cpu_offload",
                          "fsdp_offload_params", "offload_params"), _is_given),
    Row("C129", "entry", ("offload_optimizer_device", "offload_param_device"),
        _value("cpu", "nvme")),
    # the environment
    Row("C104", "variable", ("NCCL_*", "TORCH_NCCL_*"), None),
    Row("C105", "variable", ("CUDA_VISIBLE_DEVICES",), None),
    Row("C106", "variable", (
        "PYTORCH_CUDA_ALLOC_CONF", "CUBLAS_WORKSPACE_CONFIG", "CUDA_LAUNCH_BLOCKING",
        "CUDA_DEVICE_MAX_CONNECTIONS", "TORCH_CUDA_ARCH_LIST", "CUDA_HOME", "CUDA_PATH",
        "CUDA_DEVICE_ORDER", "CUDA_MODULE_LOADING", "PYTORCH_NO_CUDA_MEMORY_CACHING",
        "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "CUDA_ROOT", "CUDNN_*",
        "NVIDIA_DRIVER_CAPABILITIES", "NVIDIA_VISIBLE_DEVICES", "FORCE_CUDA", "CUDA_VERSION"),
        None),
    Row("C133", "variable", ("VLLM_*", "SGLANG_*", "SGL_*"), None),
    Row("C134", "variable", ("LD_LIBRARY_PATH", "LIBRARY_PATH", "CPATH", "PATH"),
        _matches(re.compile("/cuda"))),
    Row("C136", "variable", ("*GPUS_PER_NODE", "NUM_GPUS", "NGPUS", "N_GPUS"), _is_given),
    Row("C074", "variable", ("TORCHINDUCTOR_*", "TRITON_*"), None),
    # programs
    Row("C071", "program", ("trtexec", "trtllm-*", "polygraphy"), None),
    Row("C133", "program", ("vllm", "vllm.*", "sglang.*", "lmdeploy", "tritonserver",
                            "text-generation-launcher"), None),
    Row("C136", "program", ("nvidia-docker",), None),
    Row("C132", "program", ("nvidia-persistenced", "nvidia-modprobe", "nvidia-settings"), None),
    Row("C132", "program", ("nvidia-smi", "nvtop", "gpustat", "nvitop", "dcgmi"), None),
    Row("C131", "program", ("nsys", "ncu", "nvprof"), None),
    Row("C061", "program", ("nvcc",), None),
    Row("C137", "entry", ("nproc_per_node", "num_processes", "gpus_per_machine"), _is_several),
    Row("C137", "entry", ("multi_gpu",), _is_on),
    Row("C137", "entry", ("distributed_type",), _value("multi_gpu")),
    # packages
    Row("C054", "package", ("flash-attn*", "flash-attention*"), None),
    Row("C057", "package", ("xformers",), None),
    Row("C060", "package", ("triton", "pytorch-triton", "triton-nightly", "openai-triton"), None),
    Row("C063", "package", ("apex", "nvidia-apex"), None),
    Row("C064", "package", ("bitsandbytes*",), None),
    Row("C066", "package", ("deepspeed",), None),
    Row("C067", "package", ("transformer-engine*", "transformerengine"), None),
    Row("C068", "package", ("liger-kernel", "cut-cross-entropy"), None),
    Row("C069", "package", ("autoawq*", "auto-gptq", "gptqmodel", "exllamav2", "hqq",
                            "optimum-quanto"), None),
    Row("C070", "package", ("cupy*", "pycuda", "cudf*", "cuml*", "rapids", "numba-cuda*"), None),
    Row("C071", "package", ("tensorrt*", "torch-tensorrt", "torch2trt", "nvidia-tensorrt"), None),
    Row("C037", "package", ("nvidia-dali*",), None),
    Row("C132", "package", ("pynvml", "nvidia-ml-py*", "gpustat", "nvitop"), None),
    Row("C133", "package", ("vllm", "sglang", "lmdeploy", "deepspeed-mii"), None),
    Row("C099", "package", ("torch-scatter", "torch-sparse", "torch-cluster"), None),
    Row("C135", "package", (
        "nvidia-cu*", "nvidia-nccl*", "nvidia-nvtx*", "nvidia-nvjitlink*", "pytorch-cuda",
        "cudatoolkit*", "cuda-toolkit", "cuda-nvcc", "cuda-cudart", "cuda-libraries*",
        "cuda-python",
        "cudnn", "nccl", "cuda", "faiss-gpu*", "tensorflow-gpu", "dgl-cu*",
        "paddlepaddle-gpu", "pytorch-gpu", "causal-conv1d", "mamba-ssm"), None),
    Row("C140", "package", ("onnxruntime-gpu",), None),
    Row("C135", "package", ("torch*", "pytorch", "jax*"),
        _matches(re.compile(r"\+cu\d|cuda|_cu\d"))),
    Row("C135", "index", ("*",), _matches(_INDEX)),
    # machines
    Row("C134", "image", ("*",), _matches(_IMAGE)),
    Row("C135", "entry", ("torch_backend",), _matches(re.compile(r"cu\d+"))),
    Row("C134", "index", ("*",), _matches(_VENDOR_FILES)),
    Row("C134", "entry", ("uses",), _matches(re.compile("(?i)cuda"))),
    Row("C134", "entry", ("*features/nvidia_cuda*",), None),
    Row("C134", "system", ("*",), _key_matches(_SYSTEM)),
    Row("C136", "entry", ("gres", "l", "q", "rusage", "partition"), _matches(_GPU_GRES)),
    Row("C136", "entry", ("constraint", "runs_on"), _matches(_GPU_NAMES)),
    Row("C136", "item", ("runs_on",), _matches(_GPU_NAMES)),
    Row("C136", "entry", ("mem_per_gpu", "cpus_per_gpu", "gpu_bind", "gpu_freq", "ntasks_per_gpu",
                          "gpus_per_socket", "gpu_ids"), _is_given),
    Row("C136", "entry", ("nvidia.com/gpu.*", "nvidia.com/mig*", "cloud.google.com/gke_accelerator",
                          "k8s.amazonaws.com/accelerator"), _is_limit),
    Row("C136", "entry", ("key", "device"), _matches(re.compile("nvidia.com/"))),
    Row("C136", "entry", ("runtimeclassname",), _value("nvidia")),
    Row("C136", "entry", ("enabled",), _is_enabled_under("gpu")),
    Row("C136", "entry", ("gpu",), _is_under("hostrequirements")),
    Row("C136", "entry", ("instance_type", "node.kubernetes.io/instance_type", "machine_type",
                          "vm_size"), _matches(_GPU_MACHINES, True)),
    Row("C136", "entry", ("gpus", "num_gpus", "n_gpus", "n_gpu", "ngpus", "gpus_per_node",
                          "num_gpus_per_node", "gpus_per_task", "gpus_per_trial",
                          "nvidia_visible_devices", "gpu_count"), _is_given),
    Row("C136", "entry", ("nvidia.com/gpu",), _is_limit),
    Row("C136", "entry", ("accelerator",), _value("gpu", "cuda")),
    Row("C136", "entry", ("accelerators", "gpu_type", "accelerator_type"),
        _matches(re.compile(r"(?i)\b(?:nvidia|[ahlvtp]\d{1,3}0?\b|rtx)"))),
    Row("C136", "entry", ("runtime",), _value("nvidia")),
    Row("C136", "entry", ("nv",), _is_a_container_flag),
    Row("C136", "item", ("capabilities",), _asks_gpu_device),
    # sources
    Row("C061", "source", ("*",), None),
)  # fmt: skip


def rules_of(clue: Clue) -> Iterator[str]:
    """The identifiers of the rules that speak on a clue, each once."""
    seen: set[str] = set()
    for row in _rows(clue.kind, clue.key):
        if row.rule not in seen and (row.when is None or row.when(clue)):
            seen.add(row.rule)
            yield row.rule


@cache
def _rows(kind: ClueKind, key: str) -> tuple[Row, ...]:
    return tuple(row for row in ROWS if row.kind == kind and any(_fits(k, key) for k in row.keys))


def _fits(pattern: str, key: str) -> bool:
    if "*" not in pattern:
        return pattern == key
    return re.fullmatch(pattern.replace(".", r"\.").replace("*", ".*"), key) is not None


@cache
def words() -> re.Pattern[str]:
    """One of these is in every text that a row speaks about, letters in lower case."""
    found = {
        "cuda",
        "nvidia",
        "gpu",
        "cu1",
        "/cu",
        "+cu",
        "nccl",
        "precision",
        "dtype",
        "__global__",
    }
    found |= {
        "max-autotune",
        "reduce-overhead",
        "flash",
        "xformers",
        "deepspeed",
        "fsdp",
        "tensorrt",
    }
    for row in ROWS:
        for key in row.keys:
            # `type` and `name` are in every file: what these rows look for is found as "fused".
            found |= {p for p in key.lower().split("*") if len(p) > 2 and p not in _EVERYWHERE}
    kept = [w for w in found if not any(o != w and o in w for o in found)]
    parts = (re.escape(w).replace("_", "[-_]") for w in sorted(kept))
    return re.compile("|".join(parts))
