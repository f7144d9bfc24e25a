"""Why rules without a rewriter have none: on CUDA too the code would then do something else."""

from __future__ import annotations

from collections.abc import Mapping

from glia.port.rules.rule import Rule

_BY_CATEGORY: Mapping[str, str] = {
    "device": "what it asks for exists on CUDA only, and decides in ways that are not seen here",
    "memory": "how much memory there is, and who moves it, must be planned anew",
    "compile": "what is captured or compiled would be another graph on CUDA too",
    "rng": "other generators give other numbers on CUDA too",
    "data": "it would change what is loaded, or how fast, on CUDA too",
    "precision": "another number format gives other results on CUDA too",
    "ops": "another operation gives other results, or other times, on CUDA too",
    "kernels": "a kernel must be chosen or written for the other chip",
    "libs": "the package is for CUDA, and another one must be chosen",
    "sync": "when the host reads is part of what the program prints and decides",
    "control": "the control flow would be another one",
    "shape": "shapes would be other ones on CUDA too",
    "semantics": "what is shared or changed in place is not seen from one line",
    "distributed": "how work is spread is a choice for the whole program",
    "optim": "the steps of the optimizer would differ on CUDA too",
    "io": "files would be written or read in another way on CUDA too",
    "profiling": "another tool must be chosen",
    "serving": "another engine, or other settings, must be chosen",
    "setup": "which machines and packages there are is chosen outside of the code",
}
_BY_RULE: Mapping[str, str] = {
    "C136": 'a choice of machines; Lightning\'s "auto" would ask for a TPU before CUDA',
    "C144": "which error comes there, and what to do then, is not seen here",
    "C145": "transformers asks for the GPU itself; tf32=torch.cuda.is_available() is for both",
    "C146": "whether the CPU is meant is for the caller to say",
    "C034": "it does no harm: copies that need not wait may wait",
    "C104": "the variables are ignored elsewhere",
    "C105": "which devices a process takes is set where it is launched",
    "C106": "the variables are ignored elsewhere",
    "C112": "it works elsewhere",
}


def why_left(rule: Rule) -> str:
    """One reason, without a verb for the reader: what to do is the rule's own advice."""
    return _BY_RULE.get(rule.id) or _BY_CATEGORY[rule.category]
