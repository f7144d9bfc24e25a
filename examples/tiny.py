"""A model of one's own in thirty lines:  glia port examples/tiny.py:model --to trn2"""

from __future__ import annotations

import torch
from torch import nn


class Tiny(nn.Module):
    """Embeds tokens, lets them look at each other once, and scores four classes."""

    def __init__(self, vocabulary: int = 1000, width: int = 128) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.qkv = nn.Linear(width, 3 * width)
        self.norm = nn.LayerNorm(width)
        self.score = nn.Linear(width, 4)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.embed(ids)
        q, k, v = (part.unsqueeze(1) for part in self.qkv(x).chunk(3, dim=-1))
        seen = nn.functional.scaled_dot_product_attention(q, k, v).squeeze(1)
        return self.score(self.norm(x + seen).mean(dim=1)).softmax(dim=-1)


def model() -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    return Tiny().eval(), torch.randint(0, 1000, (16, 32))


if __name__ == "__main__":
    tiny, tokens = model()
    print(tiny(tokens))
