"""Optimizers and their kernels."""

import torch
from torch import nn

use = True

net = nn.Linear(3, 1).to("cuda")
for k in ({"fused": True}, {"capturable": False}, {"foreach": True}):
    torch.optim.AdamW(net.parameters(), **k)
o = torch.optim.AdamW(net.parameters(), lr=0.1, fused=use)
print(o.defaults["fused"])
o = torch.optim.SGD(net.parameters(), 0.1, fused=True)
print(o.defaults["fused"])
