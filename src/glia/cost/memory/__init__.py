"""What a model takes in memory, counted from its config: weights, optimizer, activations, KV.

`read_architecture` reads a Hugging Face config; `full_ledger` counts one rank of a plan.
"""
