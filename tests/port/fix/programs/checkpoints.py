"""Files that are read to several places."""

import io

import torch

x = torch.ones(2, 3)

f = io.BytesIO()
torch.save({"a": x}, f)
f.seek(0)
torch.load(f)
f.seek(0)
torch.load(f, map_location="cpu")
f.seek(0)
torch.load(f, map_location=lambda s, place: s)
f.seek(0)
torch.load(f, weights_only=True)
