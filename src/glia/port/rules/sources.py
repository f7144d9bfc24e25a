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
