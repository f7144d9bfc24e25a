"""Loaders that pin memory."""

import torch

x = torch.ones(2, 3)
use = True

loader = torch.utils.data.DataLoader([x, x], batch_size=1, pin_memory=use, num_workers=0)
for b in loader:
    b = b.cuda(non_blocking=True)
loader = torch.utils.data.DataLoader([x], pin_memory=torch.cuda.is_available())
p = x.pin_memory()
