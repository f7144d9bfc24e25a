"""Autocasts that are made later."""

import functools
from functools import partial

import torch
from torch.cuda.amp import autocast

a16 = partial(autocast, dtype=torch.float16, cache_enabled=False)
b16 = functools.partial(torch.cuda.amp.autocast, True, torch.bfloat16)
with a16(), b16():
    pass
