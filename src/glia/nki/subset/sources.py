"""Where the rules are published."""

GUIDE = "aws-neuron-sdk nki/get-started/nki-language-guide.rst"
MIGRATION = "aws-neuron-sdk nki/migration/index.rst"
SIMULATOR = "aws-neuron-sdk nki/guides/nki_simulator.rst"
API = "aws-neuron-sdk nki/api/nki"
LOOPS = "aws-neuron-sdk nki/deep-dives/nki-dynamic-loops.rst, nki/migration/index.rst"
CONSTRAINT = (
    "aws-neuron/neuron-agentic-development skills/neuron-nki-writing/references/"
    "nki-language-constraint.md"
)
PARSER = "leanprover/KLR interop/klr/gather.c, KLR/NKI/Simplify.lean (the public front end)"
