"""Names that reading does not follow."""

import torch

mod = __import__("torch").cuda
mod.synchronize()
fn = torch.cuda.empty_cache
fn()
for name in ("synchronize", "empty_cache"):
    getattr(torch.cuda, name)()
cuda = torch.cuda


def f(cuda):
    return cuda.is_available()


print(f(torch.cuda))
