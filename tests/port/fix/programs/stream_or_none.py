"""A stream only where there is CUDA."""

import torch

x = torch.ones(2, 3)

side = torch.cuda.Stream() if torch.cuda.is_available() else None
with torch.cuda.stream(side):
    y = x + 1
if side is not None:
    torch.cuda.current_stream().wait_stream(side)
