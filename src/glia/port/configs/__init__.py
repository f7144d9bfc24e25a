"""Files beside the Python: settings, launch scripts, containers, packages, CUDA sources."""
