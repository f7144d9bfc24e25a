"""A text classifier and a loader that pads each batch to its longest text.

    glia shapes examples/shapes_buckets.py:classifier --data examples/shapes_buckets.py:loader

Nearly every batch has a shape of its own, so a compiler of fixed shapes would compile nearly as
many graphs as there are batches; the plan shows how few buckets are enough.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader


class Classifier(nn.Module):
    def __init__(self, vocabulary: int = 1000, width: int = 32) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.mix = nn.Linear(width, width)
        self.head = nn.Linear(width, 2)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        weight = attention_mask.unsqueeze(-1).float()
        hidden = torch.relu(self.mix(self.embed(input_ids))) * weight
        return self.head(hidden.sum(1) / weight.sum(1))


def classifier():
    torch.manual_seed(0)
    ids = torch.ones(8, 16, dtype=torch.long)
    return Classifier().eval(), {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def texts(number: int = 500) -> list[torch.Tensor]:
    """Token ids of texts: most are short, some are long."""
    torch.manual_seed(0)
    lengths = torch.distributions.LogNormal(3.5, 0.6).sample((number,)).clamp(4, 256).int()
    return [torch.randint(1, 1000, (int(n),)) for n in lengths]


def pad_to_longest(batch: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    ids = nn.utils.rnn.pad_sequence(batch, batch_first=True)
    return {"input_ids": ids, "attention_mask": (ids != 0).long()}


def loader():
    return DataLoader(texts(), batch_size=8, collate_fn=pad_to_longest)
