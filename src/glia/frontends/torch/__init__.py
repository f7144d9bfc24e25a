"""PyTorch into the tensor graph: `capture` a module, run its `reference`."""
