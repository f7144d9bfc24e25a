"""Paths that a tensor's place decides."""

import torch

x = torch.ones(2, 3)

y = x.cuda()


def norm(t):
    if t.is_cuda:
        torch.cuda.synchronize()
        return "gpu"
    return "cpu"


print(norm(x), norm(y), norm(y.cpu()), y.device.type == "cuda", y.device == torch.device("cuda:0"))
print("gpu" if y.is_cuda else "cpu", [t.is_cuda for t in (x, y)])
assert y.is_cuda
z = y.new_zeros(2)
print(z.is_cuda)
w = torch.zeros_like(y)
print(w.device)
