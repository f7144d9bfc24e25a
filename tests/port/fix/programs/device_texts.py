"""Texts that name a device, and texts that only look so."""
# ruff: noqa: UP031 as it is met in programs

import torch

x = torch.ones(2, 3)
rank = 1

t = torch.tensor([1.0, 5.0, 2.0])
i = torch.tensor(1)
n = "0"
a = x.to(f"cuda:{t.argmax() - 1}")
print(a.device)
b = x.to(f"cuda:{i}")
print(b.device)
d = torch.device(f"cuda:{rank % 2}")
print(d)
e = torch.device(f"cuda:{int(n)}")
k = f"cuda:{n}"
print(e, k)
lab = f"cuda:{'memory'}"
print(lab)
loss = 0.5
tag = f"cuda:{loss}"
print(tag)
msg = f"on cuda:{rank}"
print(msg)
f = f"cuda:{rank}"
print(f)
g = "cuda:%s" % rank
print(g)
h = "cuda:" + str(rank)
print(h)
z = x.cuda(f"cuda:{rank}")
z = x.to(f"cuda:{rank:d}")
q = f"cuda:{rank!s}"
print(q)
