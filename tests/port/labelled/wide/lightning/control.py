"""Branches that look at values, and branches that do not."""
import math

import torch
import torch.nn as nn


class Router(nn.Module):
    def __init__(self, limit: float, top: int):
        super().__init__()
        self.gate = nn.Linear(8, 4)
        self.limit = limit
        self.top = top

    def forward(self, x: torch.Tensor, mask=None, limit: int = 4):
        g = self.gate(x).softmax(-1)
        if g.max() > self.limit:  # ~ C080
            g = g / 2
        if torch.isinf(g).any():  # ~ C079
            g = torch.zeros_like(g)
        if not torch.isfinite(g).all():  # ~ C079
            g = torch.zeros_like(g)
        if torch.all(g == 0):  # ~ C080
            return x
        if (g != g).any():  # ~ C079|C080
            return x
        if g.isnan().sum() > 0:  # ~ C079|C080
            return x
        if mask is not None and mask.any():  # ~ C080
            g = g * mask
        if mask is None:  # ~ none
            limit = 2
        if len(x) > limit:  # ~ none
            x = x[:limit]
        if x.numel() == 0 or x.size(0) > 3:  # ~ none
            return x
        if isinstance(x, torch.Tensor) and x.requires_grad:  # ~ none
            x = x * 1
        if self.top > 2 and limit > 1:  # ~ none
            x = x * 2
        if x.dtype == torch.float32:  # ~ none
            x = x * 3
        while (g > 0.5).any():  # ~ C080
            g = g * 0.9
        for i in range(int(g.sum())):  # ~ C077|C080
            x = x + i
        out = x if g.mean() > 0 else -x  # ~ C080
        assert torch.isfinite(out).all(), "not finite"  # ~ C079
        assert out.min() >= 0  # ~ C080
        assert out.shape == x.shape  # ~ none
        return out


def step(model, batch, state):
    loss = model(batch).mean()
    if torch.isnan(loss) or torch.isinf(loss):  # ~ C079
        return state
    if not math.isfinite(loss.item()):  # ~ C077 C079?
        return state
    if loss < state["best"]:  # ~ C080
        state["best"] = loss.detach()
    if state["step"] > 10:  # ~ none
        return state
    assert not loss.isnan()  # ~ C079
    return state


def decode(model, ids, eos, most):
    finished = ids.new_zeros(ids.shape[0], dtype=torch.bool)
    for _ in range(most):
        nxt = model(ids).argmax(-1)
        finished |= nxt == eos  # ~ C088?
        if finished.all():  # ~ C087|C080
            break
        if torch.all(nxt == eos):  # ~ C087|C080
            break
        if (nxt == eos).sum() == len(nxt):  # ~ C087|C080
            return ids
    while not finished.all():  # ~ C080|C087
        finished = finished | True
    n = 0
    while n < most:  # ~ none
        n += 1
    for name in ("a", "b"):
        if name == "b":  # ~ none
            break
    return ids


def halting(cell, x, eps: float):
    p = torch.zeros(x.shape[0])
    while p.min() < 1 - eps:  # ~ C080|C087
        x, q = cell(x)
        p = p + q
    delta = torch.ones(1)
    while delta > eps:  # ~ C080|C087
        delta = delta / 2
    return x
