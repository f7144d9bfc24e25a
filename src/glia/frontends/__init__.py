"""PyTorch (later StableHLO and ONNX) into `graph`, and how a model is named on the command line."""
