"""Marks in a profile."""

import torch

torch.cuda.nvtx.range_push("a")
torch.cuda.nvtx.mark("b")
torch.cuda.nvtx.range_pop()
with torch.cuda.nvtx.range("c {}", 3):
    pass
