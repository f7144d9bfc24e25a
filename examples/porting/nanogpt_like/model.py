"""A GPT of a few layers."""

import inspect
import math

import torch
import torch.nn as nn
from torch.nn import functional as F


class Block(nn.Module):
    """Attention, then a small network, each added to what came in."""

    def __init__(self, width, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        inner = 4 * width
        self.mlp = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = self.qkv(self.first(x)).view(b, t, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
        hidden = torch.triu(torch.ones(t, t, dtype=torch.bool, device=x.device), diagonal=1)
        mixed = scores.masked_fill(hidden, float("-inf")).softmax(-1) @ v
        x = x + self.out(mixed.transpose(1, 2).reshape(b, t, c))
        return x + self.mlp(self.second(x))


class GPT(nn.Module):
    """Logits of the next character, and the loss where targets are given."""

    def __init__(self, num_symbols, width=32, num_heads=2, num_layers=2, length=16):
        super().__init__()
        self.symbols = nn.Embedding(num_symbols, width)
        self.places = nn.Embedding(length, width)
        self.blocks = nn.ModuleList(Block(width, num_heads) for _ in range(num_layers))
        self.head = nn.Linear(width, num_symbols)

    def forward(self, tokens, targets=None):
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.symbols(tokens) + self.places(places)
        for block in self.blocks:
            x = block(x)
        logits = self.head(x)
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def configure_optimizer(self, learning_rate, device_type):
        # the fused kernel exists in newer versions of PyTorch only
        has_fused = "fused" in inspect.signature(torch.optim.AdamW).parameters
        use_fused = has_fused and device_type == "cuda"
        extra = dict(fused=True) if use_fused else dict()  # noqa: C408
        return torch.optim.AdamW(self.parameters(), lr=learning_rate, **extra)
