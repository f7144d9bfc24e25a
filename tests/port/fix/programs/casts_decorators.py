"""Functions that cast, called where something else casts."""

import torch
from torch.cuda.amp import autocast

x = torch.ones(2, 3)
use = True


@autocast()
def f(a):
    return a


@autocast(enabled=use)
def g(a):
    return f(a)


with torch.autocast("cuda", dtype=torch.bfloat16):
    g(x)
    f(x)
