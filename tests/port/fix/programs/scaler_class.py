"""Which class a scaler is of, also out of a pickle."""

import pickle

import torch

use = True

s = torch.cuda.amp.GradScaler(enabled=use)
print(
    isinstance(s, torch.cuda.amp.GradScaler),
    type(s) is torch.cuda.amp.GradScaler,
    type(s).__module__,
)
t = pickle.loads(pickle.dumps(s))
print(type(t).__module__)
n = torch.amp.GradScaler("cuda", init_scale=8.0)
print(type(n).__module__, n.get_scale())
m = torch.GradScaler() if hasattr(torch, "GradScaler") else None
