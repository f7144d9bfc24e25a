"""Questions that decide what else runs."""

import torch
from torch import nn

x = torch.ones(2, 3)
use = True

device = "cuda" if torch.cuda.is_available() else "cpu"
n_gpu = torch.cuda.device_count() if torch.cuda.is_available() else 0
print(n_gpu)
if torch.cuda.is_available() and n_gpu > 1:
    torch.cuda.set_device(1)
if not torch.cuda.is_available():
    raise SystemExit("no")
use_cuda = bool(use) and torch.cuda.is_available()
kwargs = {"num_workers": 0, "pin_memory": True} if use_cuda else {}
torch.utils.data.DataLoader([1], **kwargs)
if use_cuda:
    torch.cuda.manual_seed(3)
if torch.cuda.device_count() > 1:
    print("many")
m = nn.Linear(3, 1)
if use_cuda:
    m = m.cuda()
print(next(m.parameters()).is_cuda, x.is_cuda, x.cuda().is_cuda)
