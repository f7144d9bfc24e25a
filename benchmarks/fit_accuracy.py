"""How near `glia fit` is: counted bytes beside those that PyTorch really allocates on the CPU.

    python benchmarks/fit_accuracy.py [--write docs/fit.md]

Weights, gradients and AdamW state are summed over real tensors; the peak of a training step comes
from the allocator's record in torch.profiler, the KV cache from the tensors of a real forward
pass. `--write` puts the tables between the marks of that file.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
import transformers

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from cost.memory import published, zoo
from glia.core.fit_records import Plan
from glia.cost.memory.architecture import Architecture
from glia.cost.memory.config import Config
from glia.cost.memory.families.table import read_architecture
from glia.cost.memory.kv_cache import CacheShape, cache_bytes
from glia.cost.memory.ledger import Workload, model_lines
from port.fit.measured import allocator_peak

BATCH, SEQ, VOCAB = 4, 128, 4000
# hidden, feed-forward width, layers, heads, KV heads, size of a head
SIZES = (192, 512, 4, 6, 2, 32)
FAMILIES = ("llama", "qwen3", "mistral", "gpt2", "gpt_neox", "opt", "bert", "t5", "mixtral")
MARKS = ("<!-- accuracy: benchmarks/fit_accuracy.py -->", "<!-- end of accuracy -->")
WORK = Workload("train", SEQ, BATCH, "float32", "float32", "float32", zero=0)


def built(family: str) -> tuple[Architecture, Any]:
    """The counted model, and a real one of the same config."""
    sizes = zoo.sizes_of(family, *SIZES, VOCAB)
    for key in ("max_position_embeddings", "n_positions"):
        if key in sizes:
            sizes[key] = SEQ
    config, _ = zoo.make(family, sizes, zoo.HEADS.get(family, ""))
    module = getattr(transformers, config.architectures[0])(config).train()
    return read_architecture(Config(family, config.to_dict())), module


def real_bytes(module: torch.nn.Module, tokens: torch.Tensor) -> dict[str, int]:
    """Bytes that PyTorch allocates for one training step, line by line."""
    inputs = {"input_ids": tokens, "labels": tokens}
    found = {"activations": allocator_peak(module, inputs)}
    parameters = list(module.parameters())
    found["weights"] = sum(p.nbytes for p in parameters)
    found["gradients"] = sum(p.grad.nbytes for p in parameters if p.grad is not None)
    optimizer = torch.optim.AdamW(parameters)
    optimizer.step()
    states = [t for state in optimizer.state.values() for t in state.values()]
    found["optimizer state"] = sum(t.nbytes for t in states)
    return found


def real_cache(module: Any, tokens: torch.Tensor) -> int:
    """Bytes of the KV cache after one forward pass; 0 for an encoder."""
    inputs = {"input_ids": tokens}
    if module.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = tokens
    with torch.no_grad():
        cache = getattr(module.eval()(**inputs), "past_key_values", None)
    parts = [cache] if cache is not None else []
    if hasattr(cache, "self_attention_cache"):
        parts = [cache.self_attention_cache, cache.cross_attention_cache]
    layers = [layer for part in parts for layer in part.layers]
    return sum(layer.keys.nbytes + layer.values.nbytes for layer in layers)


def error(counted: float, real: float) -> str:
    """The relative error, `exact` where there is none."""
    if counted == real:
        return "exact"
    return f"{100 * (counted / real - 1):+.1f} %"


def rows() -> list[str]:
    """One row per family: the errors of every line, and both activation peaks."""
    found = []
    for family in FAMILIES:
        torch.manual_seed(0)
        model, module = built(family)
        tokens = torch.randint(3, VOCAB, (BATCH, SEQ))
        real = real_bytes(module, tokens)
        lines = {line.name: line.num_bytes for line in model_lines(model, WORK, Plan())}
        errors = [error(lines[name].likely, real[name]) for name in lines]
        _, most = cache_bytes(model.layers, CacheShape(BATCH, SEQ, SEQ, 4))
        cache = error(most, real_cache(module, tokens))
        counted, peak = lines["activations"].likely / 1e6, real["activations"] / 1e6
        cells = [family, f"{model.num_parameters:,}", *errors, f"{counted:.1f}", f"{peak:.1f}"]
        found.append("| " + " | ".join([*cells, cache if most else "none"]) + " |")
    return found


def tables() -> str:
    """Both tables in Markdown."""
    heads = "Family | Parameters | Weights | Gradients | AdamW | Activations"
    lines = [
        f"Small models, float32, batch {BATCH}, {SEQ} tokens (`benchmarks/fit_accuracy.py`, torch "
        f"{torch.__version__}, transformers {transformers.__version__}):",
        "",
        f"| {heads} | counted MB | measured MB | KV cache |",
        "|---|---:|---|---|---|---|---:|---:|---|",
        *rows(),
        "",
        "Published models, counted from their configs:",
        "",
        "| Model | Parameters counted | published | Error |",
        "|---|---:|---:|---|",
    ]
    for name, (tree, count) in published.COUNTS.items():
        counted = read_architecture(Config(name, tree)).num_parameters
        lines.append(f"| {name} | {counted:,} | {count:,} | {error(counted, count)} |")
    return "\n".join(lines)


def main(words: list[str]) -> None:
    text = tables()
    print(text)
    if words[:1] == ["--write"]:
        path = Path(words[1])
        before, _, rest = path.read_text().partition(MARKS[0])
        _, _, after = rest.partition(MARKS[1])
        path.write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}")


if __name__ == "__main__":
    main(sys.argv[1:])
