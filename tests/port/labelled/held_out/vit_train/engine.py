"""Training engine. The device is given by --device (cuda, cpu)."""  # ~ none
import math
import sys

import torch
from torch import nn, optim
from torch.amp import GradScaler as Scaler
from torch.amp import autocast
from torch.cuda import device_count as gpus
from torch.cuda import set_device
from torch.cuda import synchronize as sync
from torch.nn import functional as F
from torch.utils.data import DataLoader as Loader

CUDA = "cuda"  # ~ C003|C004|C002?


def build_loaders(train, val, cfg):
    a = Loader(train, cfg.bs, True, num_workers=cfg.workers, pin_memory=True, persistent_workers=True)  # ~ C035 C033 C036
    b = Loader(val, cfg.bs, num_workers=2, drop_last=True)  # ~ C035
    c = Loader(train, batch_size=4, shuffle=True, drop_last=False)  # ~ C036
    return a, b, c


def prepare(cfg, model):
    set_device(cfg.rank % gpus())  # ~ C009 C007
    model.to(device=CUDA)  # ~ C002?
    for p in model.parameters():
        p.requires_grad_(True)  # ~ none
    if cfg.sync_bn:
        model = torch.nn.SyncBatchNorm.convert_sync_batchnorm(model)  # ~ C117
    net = nn.parallel.DistributedDataParallel(  # ~ C107?
        model,
        device_ids=[cfg.rank],  # ~ C107
        find_unused_parameters=True,
    )
    opt = optim.AdamW(net.parameters(), lr=cfg.lr, fused=torch.cuda.is_available())  # ~ C006 C118
    opt_p = optim.Adam(net.parameters(), fused=False)  # ~ none
    return net, opt, opt_p


def train_one_epoch(net, loader, opt, epoch, cfg, loss_scaler: Scaler | None = None):
    scaler = Scaler("cuda")  # ~ C040
    net.train(True)
    for it, batch in enumerate(loader):
        x = batch[0].to("cuda:0", non_blocking=True)  # ~ C002 C034
        y = batch[1].cuda(device=cfg.rank)  # ~ C001
        with autocast("cuda", dtype=torch.float16, enabled=cfg.amp):  # ~ C039 C042?
            out = net(x)
            loss = F.cross_entropy(out, y, label_smoothing=0.1)
        value = loss.item()  # ~ C077
        if not math.isfinite(value):  # ~ none
            print(f"loss is {value}, stopping")  # ~ none
            sys.exit(1)
        scaler.scale(loss).backward()  # ~ C040?
        norm = nn.utils.clip_grad_norm_(net.parameters(), cfg.clip)  # ~ C120
        sync()  # ~ C016
        if it % cfg.log == 0:  # ~ none
            mem = torch.cuda.max_memory_allocated() // 2**20  # ~ C018
            print(it, mem, norm)  # ~ C078?
    torch.save(net.module.state_dict(), f"e{epoch}.pt")  # ~ C126
    return float(loss.detach())  # ~ C077


class Mixup:
    def __call__(self, x, y):
        import numpy as np

        lam = np.random.beta(0.8, 0.8)  # ~ none
        perm = torch.randperm(x.size(0), device=x.device)  # ~ C031
        return lam * x + (1 - lam) * x[perm], y  # ~ none


class Block(nn.Module):
    def __init__(self, dim, drop):
        super().__init__()
        self.drop = drop
        self.ls = nn.Parameter(torch.ones(dim))  # ~ none

    def forward(self, x):
        import random

        if self.training and random.uniform(0, 1) < self.drop:  # ~ C032
            return x
        q, k, v = self.qkv(x).chunk(3, -1)
        y = F.scaled_dot_product_attention(q, k, v, scale=0.1)  # ~ C053
        x = x + self.ls * y
        x[..., 0] += 1  # ~ C088
        x.clamp_(min=-10)  # ~ C088
        if x.abs().max() > 100:  # ~ C080
            x = x / 10
        return x

    def no_weight_decay(self):
        return {"pos_embed", "cuda"}  # ~ none


class PatchEmbed(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.position_embeddings = nn.Embedding(n, 64)

    def forward(self, x, position_ids):
        pos = self.position_embeddings(position_ids)  # ~ C095
        noise = torch.bernoulli(torch.full_like(x, 0.5))  # ~ C031
        up = F.interpolate(x, size=(8, 8), mode="bicubic", align_corners=False)  # ~ C096
        return up + pos + noise
