"""Stand-in for `neuronxcc`: what kernels of the new API still import from there."""
