"""A small decoder. Runs on cuda or on the CPU; call model.cuda() yourself."""  # ~ none
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint  # ~ C121?


class CausalSelfAttention(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        assert cfg.n_embd % cfg.n_head == 0  # ~ none
        self.c_attn = nn.Linear(cfg.n_embd, 3 * cfg.n_embd, bias=cfg.bias)
        self.n_head = cfg.n_head
        self.dropout = cfg.dropout
        self.flash = hasattr(F, "scaled_dot_product_attention")  # ~ none

    def forward(self, x, past=None):
        b, t, c = x.size()
        q, k, v = self.c_attn(x).split(c, dim=2)
        k = k.view(b, t, self.n_head, -1).transpose(1, 2)
        v = v.view(b, t, self.n_head, -1).transpose(1, 2)
        q = q.view(b, t, self.n_head, -1).transpose(1, 2)
        if past is not None:  # ~ none
            past_k, past_v = past
            k = torch.cat((past_k, k), dim=2)  # ~ C086
            v = torch.cat((past_v, v), dim=2)  # ~ C086
        if t > 1:  # ~ none
            y = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout, is_causal=True)  # ~ C053
        else:
            att = (q @ k.transpose(-2, -1)) / math.sqrt(k.size(-1))
            y = att.softmax(-1) @ v
        return y.transpose(1, 2).reshape(b, t, c), (k, v)


class GPT(nn.Module):
    def __init__(self, cfg):
        super().__init__()
        self.cfg = cfg
        self.wte = nn.Embedding(cfg.vocab_size, cfg.n_embd)
        self.wpe = nn.Embedding(cfg.block_size, cfg.n_embd)
        self.blocks = nn.ModuleList(CausalSelfAttention(cfg) for _ in range(cfg.n_layer))
        self.lm_head = nn.Linear(cfg.n_embd, cfg.vocab_size, bias=False)
        self.apply(self._init_weights)

    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, mean=0.0, std=0.02)  # ~ none
            if module.bias is not None:
                nn.init.zeros_(module.bias)  # ~ none

    def num_params(self):
        return sum(p.numel() for p in self.parameters())  # ~ none

    def forward(self, idx, targets=None):
        t = idx.size(1)
        pos = torch.arange(0, t, dtype=torch.long, device=idx.device)  # ~ C045
        x = self.wte(idx) + self.wpe(pos)  # ~ C095
        for block in self.blocks:  # ~ none
            if self.training and self.cfg.remat:
                x = checkpoint(block, x, use_reentrant=False)  # ~ C121?
            else:
                x, _ = block(x)
        logits = self.lm_head(x)
        loss = None
        if targets is not None:
            loss = F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)
        return logits, loss

    @torch.no_grad()
    def generate(self, idx, max_new_tokens, temperature=1.0, top_k=None, eos=None):
        for _ in range(max_new_tokens):  # ~ C087?
            cond = idx[:, -self.cfg.block_size:]
            logits, _ = self(cond)
            logits = logits[:, -1] / temperature
            if top_k is not None:
                kth, _ = torch.topk(logits, min(top_k, logits.size(-1)))  # ~ none
                logits[logits < kth[:, [-1]]] = -float("inf")  # ~ C088 C082?
            probs = F.softmax(logits, dim=-1)
            nxt = torch.multinomial(probs, num_samples=1)  # ~ C101
            idx = torch.cat((idx, nxt), dim=1)  # ~ C086
            if eos is not None and (nxt == eos).all():  # ~ C087 C080?
                break
        return idx
