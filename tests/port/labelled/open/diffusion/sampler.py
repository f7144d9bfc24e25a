import math
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import xformers.ops as xops  # ~ C057

NEG = torch.tensor(-1e9)  # ~ none


def rope_table(dim, end, theta=10000.0):
    freqs = 1.0 / (theta ** (torch.arange(0, dim, 2, dtype=torch.float64) / dim))  # ~ C044
    t = torch.arange(end, device=freqs.device)
    freqs = torch.outer(t, freqs)
    return torch.polar(torch.ones_like(freqs), freqs)  # ~ C046


def apply_rotary(x, freqs_cis):
    xc = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))  # ~ C046
    return torch.view_as_real(xc * freqs_cis).flatten(3).type_as(x)  # ~ C046


class Attention(nn.Module):
    def forward(self, q, k, v):
        q = q * self.scale
        out = xops.memory_efficient_attention(q, k, v)  # ~ C057
        return out


class DropPath(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.p = p
        self.seed = random.random()  # ~ none

    def forward(self, x):
        if not self.training or random.random() < self.p:  # ~ C032
            return x
        noise = np.random.normal(size=x.shape[0])  # ~ C032
        keep = torch.rand(x.shape[0], 1, 1, device=x.device) > self.p  # ~ C031
        return x * keep + torch.as_tensor(noise)


class UpBlock(nn.Module):
    def forward(self, x, flow):
        x = F.interpolate(x, scale_factor=2, mode="bicubic")  # ~ C096
        y = F.interpolate(x, scale_factor=2, mode="nearest")  # ~ none
        warped = F.grid_sample(y, flow, align_corners=False)  # ~ C096
        return F.dropout(warped, 0.1, self.training)  # ~ C031


def sample(model, shape, steps, seed, device="cuda"):  # ~ C003
    gen = torch.Generator(device="cuda").manual_seed(seed)  # ~ C030
    x = torch.randn(shape, generator=gen, device=device)  # ~ C031
    noise = torch.randn_like(x)  # ~ C031
    sigma = torch.linspace(1, 0, steps, dtype=torch.double)  # ~ C044
    for i in range(steps):  # ~ none
        eps = model(x, sigma[i].float())
        x = x + eps * (1 / math.sqrt(steps))
        if torch.isnan(x).any():  # ~ C079
            raise ValueError("NaN at step %d" % i)
    img = (x.clamp(0, 1) * 255).to(torch.uint8).cpu().numpy()  # ~ C078
    assert torch.isfinite(x).all(), "not finite"  # ~ C079
    return np.asarray(img, dtype=np.float64)  # ~ none


def main():
    pipe = Pipe.from_pretrained("x/y", torch_dtype=torch.float16, variant="fp16")  # ~ C042
    pipe = pipe.to("cuda")  # ~ C002
    pipe.enable_xformers_memory_efficient_attention()  # ~ C057
    pipe.enable_model_cpu_offload()  # ~ C129
    g = torch.Generator("cuda")  # ~ C030
    cpu_gen = torch.Generator().manual_seed(3)  # ~ none
    pipe.unet.to(memory_format=torch.channels_last)  # ~ none
    pipe.unet = torch.compile(pipe.unet, mode="reduce-overhead", fullgraph=True)  # ~ C073 C072?
    image = pipe("a photo of a cuda kernel", generator=g).images[0]  # ~ none
    image.save("out.png")  # ~ none
