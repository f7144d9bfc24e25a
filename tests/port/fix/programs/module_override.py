"""A module that moves more than its parameters."""

import torch
from torch import nn

x = torch.ones(2, 3)


class M(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(3, 1)
        self.extra = torch.ones(1)

    def cuda(self, device=None):
        super().cuda(device)
        self.extra = self.extra.cuda(device)
        return self

    def forward(self, a):
        return self.l(a) * self.extra


m = M().cuda()
m(x.cuda())
print(m.extra.is_cuda)
