import numpy as np
import torch
import torch.nn as nn

dev = torch.device("cuda:0")  # ~ C004


class Policy(nn.Module):
    def forward(self, obs):
        h = self.body(obs)
        if h.mean() > 0:  # ~ C080
            h = -h
        if h.ndim == 2:  # ~ none
            h = h.unsqueeze(0)
        if self.training:  # ~ none
            h = h + torch.randn_like(h) * self.std  # ~ C031
        while h.norm() > 10:  # ~ C080
            h = h / 2
        h[:, 0] = 0  # ~ C088
        h += obs  # ~ C088
        h.mul_(0.5)  # ~ C088
        return h.clamp_(-1, 1)  # ~ C088

    def act(self, obs):
        with torch.no_grad():
            logits = self(torch.as_tensor(obs, device=dev))
        a = torch.multinomial(logits.softmax(-1), 1).item()  # ~ C101 C077
        return int(a)  # ~ none


def rollout(env, pi, kl_target):
    obs = env.reset()
    done = False
    rewards = []
    while not done:  # ~ none
        obs, r, done, info = env.step(pi.act(obs))  # ~ none
        rewards.append(float(r))  # ~ none
    return np.array(rewards).tolist(), np.mean(rewards).item()  # ~ none


def update(pi, opt, batch, step, kl_target, warm):
    kl_weight = 0.0 if step < warm else 1.0
    logp = pi(batch["obs"])
    approx_kl = (batch["logp"] - logp).mean()
    loss = -(logp * batch["adv"]).mean() + kl_weight * approx_kl  # ~ C124
    if approx_kl.item() > kl_target:  # ~ C077 C080?
        return None
    loss.backward()
    gn = nn.utils.clip_grad_norm_(pi.parameters(), 0.5)  # ~ C120
    if torch.isnan(loss):  # ~ C150
        return None
    opt.step()  # ~ none
    stats = {"loss": float(loss), "kl": approx_kl.detach().cpu().numpy(), "gn": gn.item()}  # ~ C077 C078
    print(loss)  # ~ C078
    print("step", step)  # ~ none
    return stats


class Cyclical(nn.Module):
    def forward(self, x, aux, epoch):
        use_aux = float(epoch > 10)
        return x + use_aux * aux  # ~ C124


def soft_update(target, source, tau):
    for t, s in zip(target.parameters(), source.parameters()):
        t.data.copy_(tau * s.data + (1 - tau) * t.data)  # ~ C088?


def replay(buf):
    i = np.random.randint(0, len(buf), size=32)  # ~ none
    s = torch.from_numpy(buf.obs[i]).cuda()  # ~ C001
    a = torch.cuda.LongTensor(buf.act[i])  # ~ C013
    m = torch.cuda.FloatTensor(32).fill_(1)  # ~ C013 C088?
    torch.set_default_tensor_type("torch.cuda.FloatTensor")  # ~ C013
    t = s.type(torch.cuda.HalfTensor)  # ~ C013
    torch.set_default_dtype(torch.float32)  # ~ none
    return s, a, m, t
