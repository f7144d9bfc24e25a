"""Models that are compiled."""

import torch
from torch import nn

x = torch.ones(2, 3)

m = torch.compile(nn.Linear(3, 1))
n = torch.compile(m, mode="reduce-overhead")
o = torch.compile(m, backend="eager")


@torch.compile
def f(a):
    return a


@torch.compile(dynamic=True)
def g(a):
    return a


f(x)
g(x)
