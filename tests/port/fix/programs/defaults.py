"""Devices in defaults, attributes and settings."""
# ruff: noqa: B008 as it is met in programs

import torch

x = torch.ones(2, 3)


class T:
    device = "cuda"

    def __init__(self, device="cuda", dev=torch.device("cuda:1")):
        self.d = device
        self.e = dev

    def put(self, t, *, where="cuda:0"):
        return t.to(self.d).to(self.e).to(where)


T().put(x)
print(T.device, T().d, T().e)
cfg = {"device": "cuda", "devices": ["cuda:0", "cuda:1"], "cuda": True}
x.to(cfg["device"])
print(cfg)
for d in cfg["devices"]:
    x.to(d)
