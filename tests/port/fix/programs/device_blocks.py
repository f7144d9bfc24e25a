"""Blocks that run on a device."""

import torch

x = torch.ones(2, 3)

with torch.cuda.device(1):
    y = x.cuda()
    print(torch.cuda.current_device())
with torch.cuda.device(torch.device("cuda:0")), torch.cuda.stream(torch.cuda.Stream()):
    pass
with torch.cuda.device_of(x):
    pass
dev = torch.device("cuda", torch.cuda.current_device())
print(dev)
k = torch.cuda.current_device()
z = x.to(k)
