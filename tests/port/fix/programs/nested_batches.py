"""Batches of batches, and tries."""

import torch

x = torch.ones(2, 3)
rank = 1

try:
    y = x.cuda(5) if rank > 4 else x.cuda()
except RuntimeError:
    y = x


def to_cuda(o):
    if torch.is_tensor(o):
        return o.cuda(non_blocking=True)
    if isinstance(o, dict):
        return {k: to_cuda(v) for k, v in o.items()}
    if isinstance(o, (list, tuple)):
        return type(o)(to_cuda(v) for v in o)
    return o


to_cuda({"a": [x, (x, 1)]})
if hasattr(x, "cuda"):
    x.cuda()
