"""Soft actor critic, one file."""
import random

import gymnasium as gym
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Categorical, Normal

device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")  # ~ C005


class Actor(nn.Module):
    def __init__(self, n, m):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(n, 256), nn.ReLU())
        self.mu = nn.Linear(256, m)
        self.log_std = nn.Parameter(torch.zeros(m))
        self.register_buffer("count", torch.zeros(1))
        self.eps = 0.1

    def forward(self, obs):
        h = self.body(obs)
        self.count += 1  # ~ C088
        if torch.rand(1).item() < self.eps:  # ~ C031? C077 C080?
            h = h * 0
        if random.random() < 0.5:  # ~ C032
            h = h + 1
        jitter = np.random.normal()  # ~ C032
        if h.abs().max() > 100:  # ~ C080
            h = h / h.abs().max()
        if (h > 0).all():  # ~ C080
            h = h - 1
        if torch.any(torch.isnan(h)):  # ~ C079
            h = torch.nan_to_num(h)
        assert not torch.isinf(h).any()  # ~ C079
        assert (h >= 0).all(), "negative"  # ~ C080
        while h.norm() > 5:  # ~ C080
            h = h * 0.5
        if h.shape[0] > 1 and self.training:  # ~ none
            h = h + jitter
        if obs is None or h.dim() == 1:  # ~ none
            return h
        scale = 2 if h.sum() > 0 else 1  # ~ C080
        mu = self.mu(h * scale)
        mu.clamp_(-1, 1)  # ~ C088
        mu[:, 0] = 0  # ~ C088
        mu[mu > 0.9] = 0.9  # ~ C088 C082?
        std = self.log_std.exp()
        noise = torch.randn_like(mu)  # ~ C031
        return mu + noise * std


class Critic(nn.Module):
    def forward(self, q, a):
        q += a  # ~ C088
        q.mul_(0.99).add_(1)  # ~ C088
        q.data.fill_(0)  # ~ C088
        q = q.masked_fill(q < 0, 0)  # ~ none
        q = q.clamp(0, 1)  # ~ none
        y = q.as_strided((2, 2), (1, 2))  # ~ C089
        y.index_fill_(0, torch.tensor([0]), 1.0)  # ~ C088
        y.t_()  # ~ C088
        y[..., 1:] *= 2  # ~ C088
        z = y.view(-1)  # ~ none
        z.zero_()  # ~ C088
        w = torch.sub(y, 1)  # ~ none
        torch.add(y, 1, out=w)  # ~ C088?
        w.copy_(y)  # ~ C088
        F.relu(w, inplace=True)  # ~ C088?
        p = w.untyped_storage()  # ~ C089
        v = torch.as_strided(w, (2,), (1,))  # ~ C089
        w.set_(p)  # ~ C089
        n = w.storage().data_ptr()  # ~ C089
        w.masked_fill_(w > 0, 0)  # ~ C088
        w.scatter_(0, torch.zeros(1, 2, dtype=torch.long), 1.0)  # ~ C088|C090 C045?
        w[0] += 1  # ~ C088
        return w.clone(), v, n


class ReplayBuffer:
    def __init__(self, size, dim):
        self.obs = np.zeros((size, dim), dtype=np.float32)
        self.pos = 0

    def add(self, o):
        self.obs[self.pos] = o  # ~ none
        self.pos += 1  # ~ none

    def sample(self, n):
        idx = np.random.randint(0, self.pos, n)  # ~ none
        return torch.from_numpy(self.obs[idx]).to(device)  # ~ none


def act(actor, obs, explore):
    obs = torch.as_tensor(obs, device=device)  # ~ none
    with torch.no_grad():
        logits = actor(obs)
    if explore:
        a = Categorical(logits=logits).sample()  # ~ C031? C101?
    else:
        a = logits.argmax(-1)
    noise = Normal(0.0, 1.0).sample(a.shape)  # ~ C031?
    return a.cpu().numpy(), noise.tolist()  # ~ C078


def update(batch, actor, critic, opt, target, tau=0.005):
    actor.mu.weight.register_hook(lambda g: g.clamp(-1, 1))  # ~ C122
    critic.register_full_backward_hook(print)  # ~ C122
    critic.register_forward_pre_hook(print)  # ~ C122
    handle = nn.modules.module.register_module_forward_hook(print)  # ~ C122
    handle.remove()  # ~ none
    loss = critic(batch, batch)[0].mean()
    if loss.isnan():  # ~ C150
        return None
    if not torch.isfinite(loss):  # ~ C150
        return None
    if loss > 10 and tau > 0:  # ~ C150
        return None
    if tau > 0.5:  # ~ none
        return None
    opt.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(critic.parameters(), 1.0)  # ~ C120
    if torch.isfinite(norm):  # ~ C150
        opt.step()
    for p, q in zip(target.parameters(), critic.parameters()):
        p.data.lerp_(q.data, tau)  # ~ C088?
    return loss.item(), norm.item()  # ~ C077


def beam(model, ids, width, eos):
    done = torch.zeros(width, dtype=torch.bool, device=ids.device)  # ~ none
    while True:  # ~ none
        logits = model(ids)[:, -1]
        nxt = logits.argmax(-1)
        done = done | (nxt == eos)
        ids = torch.cat([ids, nxt[:, None]], dim=1)  # ~ C086
        if done.all():  # ~ C087|C080
            break
    for _ in range(100):
        tok = model(ids)[:, -1].argmax(-1)
        if tok.item() == eos:  # ~ C077 C087? C080?
            break
        if (tok == eos).all():  # ~ C087|C080
            break
        if tok == eos:  # ~ C087|C080
            break
    return ids


def main():
    env = gym.make("CartPole-v1")
    obs, _ = env.reset(seed=1)  # ~ none
    actor = Actor(4, 2).to(device)  # ~ none
    random.seed(1)  # ~ none
    total = 0.0
    done = False
    while not done:  # ~ none
        a, _ = act(actor, obs, True)
        obs, r, done, trunc, _ = env.step(int(a))  # ~ none
        total += float(r)  # ~ none
        if done or trunc:  # ~ none
            break
    print("return", total)  # ~ none
    assert total >= 0  # ~ none
    g = torch.Generator(device=device)  # ~ C030
    torch.cuda.manual_seed(1)  # ~ C028
    noise = torch.rand(4, generator=g, device=device)  # ~ C031
    perm = torch.randperm(128, device=device)  # ~ C031
    b = torch.bernoulli(torch.full((4,), 0.5, device=device))  # ~ C031
    u = torch.empty(4, device=device).uniform_(-1, 1)  # ~ C031
    n = torch.zeros(4, device=device).normal_()  # ~ C031
    return noise, perm, b, u, n
