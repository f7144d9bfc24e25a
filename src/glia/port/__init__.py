"""Leaving CUDA: check, compile, run, prove and price a model on another chip (`job.py`)."""
