"""Modules, losses, batches and functions that move."""
# ruff: noqa: C417, E731 as it is met in programs

import torch
from torch import nn

x = torch.ones(2, 3)
rank = 1

m = nn.Sequential(nn.Linear(3, 3), nn.ReLU()).cuda()
crit = nn.CrossEntropyLoss().cuda()
crit2 = nn.MSELoss().cuda(rank)
for name, p in m.named_parameters():
    print(name, p.is_cuda)
b = {k: v.cuda(non_blocking=True) for k, v in {"a": x}.items()}
pair = [t.cuda() for t in (x, x)]
both = tuple(map(lambda t: t.cuda(), pair))
fn = torch.Tensor.cuda
y = fn(x)
mover = lambda t, d="cuda": t.to(d)
mover(x)
y = x.cuda()
