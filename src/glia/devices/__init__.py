"""One file per place to run: reference, virtual, cpu.

A device runs a model on inputs and returns outputs by name; `observe` sees every intermediate.
"""
