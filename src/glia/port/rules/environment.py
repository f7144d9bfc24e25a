"""Rules about variables of the environment that code reads or sets."""

from __future__ import annotations

from glia.port.rules.rule import Advice, Rule, keyword, per_family, string
from glia.port.rules.sources import neuron_sdk
from glia.port.source.hits import Hit

_CUDA_ONLY = (
    "PYTORCH_CUDA_ALLOC_CONF",
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_LAUNCH_BLOCKING",
    "CUDA_DEVICE_MAX_CONNECTIONS",
    "TORCH_CUDA_ARCH_LIST",
    "CUDA_HOME",
    "CUDA_PATH",
    "CUDA_DEVICE_ORDER",
    "CUDA_MODULE_LOADING",
    "PYTORCH_NO_CUDA_MEMORY_CACHING",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "NVIDIA_TF32_OVERRIDE",
)


def _is_variable(hit: Hit) -> bool:
    """`NCCL_DEBUG` or `NCCL_DEBUG=*`, and no sentence."""
    name = hit.key.partition("=")[0]
    return name.isupper() and name.replace("_", "").isalnum() and len(name) > len("NCCL_")


def _is_visible(hit: Hit) -> bool:
    return hit.key.partition("=")[0] == "CUDA_VISIBLE_DEVICES"


def _is_cuda_only(hit: Hit) -> bool:
    return hit.key.partition("=")[0] in _CUDA_ONLY


RULES: tuple[Rule, ...] = (
    Rule(
        id="C104",
        title="variables of NCCL are read or set",
        category="distributed",
        why="they are ignored elsewhere, or half honoured",
        triggers=(string("NCCL_*", when=_is_variable),),
        on=per_family(
            Advice("silent", "NEURON_RT_ROOT_COMM_ID and those of EFA"),
            Advice("silent", "leave them out"),
            Advice("works", "leave them: RCCL honours most", "none"),
            Advice("silent", "leave them out"),
        ),
        bad='import os\nos.environ["NCCL_DEBUG"] = "INFO"\n',
        good='import os\nos.environ["GLOO_SOCKET_IFNAME"] = "eth0"\n',
        grade="documented",
        sources=(
            neuron_sdk("blob/master/archive/nxd-training/training-troubleshooting.rst"),
            neuron_sdk("issues/713"),
        ),
    ),
    Rule(
        id="C105",
        title="CUDA_VISIBLE_DEVICES chooses the devices",
        category="distributed",
        why="it is ignored elsewhere: the process takes all devices, or the wrong one",
        triggers=(
            string("CUDA_VISIBLE_DEVICES", "CUDA_*", when=_is_visible),
            keyword("CUDA_VISIBLE_DEVICES"),
        ),
        on=per_family(
            Advice("silent", "NEURON_RT_VISIBLE_CORES"),
            Advice("silent", "TPU_VISIBLE_CHIPS"),
            Advice("works", "leave it, or HIP_VISIBLE_DEVICES", "none"),
            Advice("works", "leave it: nothing reads it", "none"),
        ),
        bad='import os\nos.environ["CUDA_VISIBLE_DEVICES"] = "0"\n',
        good='import os\nos.environ["NEURON_RT_VISIBLE_CORES"] = "0"\n',
        grade="documented",
        sources=(
            neuron_sdk("blob/master/neuron-runtime/guides/configuration-guide.rst"),
            "https://github.com/vllm-project/vllm/issues/5738",
        ),
    ),
    Rule(
        id="C106",
        title="variables of the CUDA runtime are read or set",
        category="distributed",
        why="they do nothing elsewhere",
        triggers=(
            string(*_CUDA_ONLY),
            keyword(*_CUDA_ONLY),
            string("CUDA_*", "PYTORCH_*", "CUBLAS_*", when=_is_cuda_only),
        ),
        on=per_family(
            Advice("silent", "NEURON_CC_FLAGS and NEURON_RT_*; each is part of the cache's key"),
            Advice("silent", "LIBTPU_INIT_ARGS and XLA_FLAGS"),
            Advice("silent", "PYTORCH_HIP_ALLOC_CONF, AMD_SERIALIZE_KERNEL"),
            Advice("silent", "leave them out"),
        ),
        bad='import os\nos.environ["CUDA_LAUNCH_BLOCKING"] = "1"\n',
        good='import os\nos.environ["OMP_NUM_THREADS"] = "1"\n',
        grade="seen",
        sources=("https://github.com/huggingface/optimum-neuron/issues/457",),
    ),
)
