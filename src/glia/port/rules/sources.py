"""Where the rules know it from: short names for the sources that many rules share."""

NATIVE = (
    "https://github.com/aws-neuron/aws-neuron-sdk/blob/master/frameworks/torch/"
    "pytorch-native-overview.rst"
)
XLA = "https://github.com/pytorch/xla/blob/master/docs/source/learn/migration-to-xla-on-tpus.md"
CODES = "https://github.com/aws-neuron/aws-neuron-sdk/tree/master/compiler/error-codes"
COMPILER = (
    "https://github.com/aws-neuron/aws-neuron-sdk/blob/master/compiler/neuronx-cc/"
    "api-reference-guide/index.rst"
)
PROBE = "measured: what torch 2.13 does with it on a CPU"
GENERAL = "general knowledge"

_SDK = "https://github.com/aws-neuron/aws-neuron-sdk/"
_XLA = "https://github.com/pytorch/xla/"
RECOMPILATION = f"{_XLA}blob/master/docs/source/notes/source_of_recompilation.md"
TROUBLESHOOT = f"{_XLA}blob/master/docs/source/learn/troubleshoot.md"
XLA_AMP = f"{_XLA}blob/master/docs/source/perf/amp.md"
XLA_MODEL = f"{_XLA}blob/master/torch_xla/core/xla_model.py"
PADDING_THREAD = f"{_XLA}issues/2749"
NXD = f"{_SDK}blob/master/archive/nxd-training/pytorch-neuron-programming-guide.rst"
JAX_NEURON = f"{_SDK}blob/master/frameworks/jax/setup/jax-neuronx-known-issues.rst"
ON_CPU_184 = f"{_SDK}issues/184"
TORCH_LINTER = "https://github.com/vllm-project/compressed-tensors/pull/771"
VLLM_DEVICE = "https://github.com/vllm-project/vllm/pull/36144"
ACCELERATE_MEMORY = (
    "https://github.com/huggingface/accelerate/blob/main/src/accelerate/test_utils/scripts/"
    "external_deps/test_peak_memory_usage.py"
)
ACCELERATE = "https://github.com/huggingface/accelerate/blob/main/src/accelerate/"
TRAINING_ARGUMENTS = (
    "https://github.com/huggingface/transformers/blob/main/src/transformers/training_args.py"
)
DIFFUSERS_TORCH = (
    "https://github.com/huggingface/diffusers/blob/main/src/diffusers/utils/torch_utils.py"
)
HIP_NOTES = "https://docs.pytorch.org/docs/2.13/notes/hip.html"
ROCM_TABLE = (
    "https://github.com/ROCm/ROCm/blob/develop/docs/compatibility/ml-compatibility/"
    "pytorch-compatibility.rst"
)
GAUDI = (
    "https://docs.habana.ai/en/latest/PyTorch/PyTorch_Model_Porting/GPU_Migration_Toolkit/"
    "GPU_Migration_Toolkit.html"
)
OWN_LOOK = "measured: glia called the model on this machine's CPU"
EXPORT_PROBE = "measured: what torch.export of torch 2.13 does with it"


def neuron_sdk(path: str) -> str:
    """An issue or a page of the Neuron SDK."""
    return _SDK + path


# "Operation sort is not supported on trn2" (NCC_EVRF029) has no page of its own; users report it,
# and this is the vendor's thread about sorting.
NO_SORT = neuron_sdk("issues/868")


def error_code(code: str) -> str:
    """The page of a code of the Neuron compiler."""
    return f"{_SDK}blob/master/compiler/error-codes/{code}.rst"
