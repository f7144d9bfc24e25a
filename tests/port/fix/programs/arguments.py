"""A device from the command line."""

import argparse

import torch
from torch import nn

p = argparse.ArgumentParser()
p.add_argument("--device", default="cuda")
p.add_argument("--gpu", type=int, default=0)
p.add_argument("--no-cuda", action="store_true")
a = p.parse_args([])
a.cuda = not a.no_cuda and torch.cuda.is_available()
if a.cuda:
    torch.cuda.set_device(a.gpu)
    torch.cuda.manual_seed(0)
m = nn.Linear(3, 1).to(a.device)
if a.cuda:
    m.cuda(a.gpu)
print(a.device)
