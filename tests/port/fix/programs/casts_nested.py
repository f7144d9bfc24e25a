"""Autocasts inside of each other: the older form is float16 whatever is around it."""
# ruff: noqa: SIM117 as it is met in programs

import torch

with torch.autocast("cuda", dtype=torch.bfloat16, cache_enabled=False):
    with torch.cuda.amp.autocast(), torch.cuda.amp.autocast(enabled=False):
        pass
    with torch.cuda.amp.autocast(True, None, False):
        with torch.cuda.amp.autocast(dtype=torch.bfloat16):
            pass
    with torch.autocast("cuda"):
        pass
