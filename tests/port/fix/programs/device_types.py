"""The type of a device, asked of its text."""
# ruff: noqa: SIM108 as it is met in programs

import contextlib

import torch

x = torch.ones(2, 3)

device = "cuda"
device_type = "cuda" if "cuda" in device else "cpu"
ctx = (
    contextlib.nullcontext()
    if device_type == "cpu"
    else torch.amp.autocast(device_type=device_type, dtype=torch.bfloat16)
)
with ctx:
    pass
if device_type == "cuda":
    y = x.pin_memory().to(device, non_blocking=True)
else:
    y = x.to(device)
for d in ("cpu", "cuda:1", "mps", torch.device("cuda:1")):
    print("cuda" if "cuda" in str(d) else "cpu", "cuda" not in str(d), str(d).startswith("cuda"))
ds = ["cuda:0"]
print("cuda" in ds, "cuda" if "cuda" in ds else "cpu")
