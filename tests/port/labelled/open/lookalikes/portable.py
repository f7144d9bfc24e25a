"""A model that is already portable."""
import torch
import torch.nn as nn
import torch.nn.functional as F


def pick_device():
    acc = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None  # ~ C015?
    return acc or torch.device("cpu")  # ~ none


class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.fc = nn.Linear(n, n)
        self.norm = nn.LayerNorm(n)
        self.register_buffer("table", torch.zeros(n))  # ~ none

    def forward(self, x, mask=None):
        x = self.norm(self.fc(x))
        if mask is not None:  # ~ none
            x = torch.where(mask, x, torch.zeros_like(x))  # ~ none
        n = float(x.shape[0])  # ~ none
        k = int(x.size(1))  # ~ none
        y = x[:, :k] / n  # ~ none
        assert x.dim() == 2, "two dims"  # ~ none
        if x.dtype == torch.float32 and x.shape[1] > 4:  # ~ none
            y = F.gelu(y)
        total = 0
        for layer in range(3):  # ~ none
            total += layer  # ~ none
        return y.masked_fill(y > 4, 4.0), total  # ~ none


def prepare(texts, vocab):
    ids = [vocab[t] for t in texts]  # ~ none
    lens = [len(t) for t in texts]  # ~ none
    ids.sort()  # ~ none
    x = torch.tensor(ids, dtype=torch.int32)  # ~ none
    state = torch.load("w.pt", map_location="cpu", weights_only=True)  # ~ none
    opt = torch.optim.AdamW([x.float()], lr=1e-3)  # ~ none
    gen = torch.Generator().manual_seed(1)  # ~ none
    t = torch.zeros(2, device="cpu")  # ~ none
    u = torch.zeros(2, device="meta").to("cpu")  # ~ none
    v = torch.device("cpu")  # ~ none
    w = torch.device("mps")  # ~ none
    total = sum(lens)  # ~ none
    if total > 5 and len(ids) > 3:  # ~ none
        ids[0] = 1  # ~ none
    best = {"cuda": 1, "cpu": 2}["cpu"]  # ~ none
    args = {"name": "cuda toolkit"}  # ~ none
    return state, opt, gen, t, u, v, w, best, args
