"""Sampling and training of a latent diffusion model."""
import contextlib
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.amp import GradScaler, autocast
from torch.cuda.amp import autocast as old_autocast
from torch.cuda.amp import custom_bwd, custom_fwd
from torch.utils.checkpoint import checkpoint

torch.backends.cuda.matmul.allow_tf32 = True  # ~ C049
torch.backends.cudnn.allow_tf32 = True  # ~ C049
torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False  # ~ C049
torch.backends.cudnn.benchmark = True  # ~ C050
torch.backends.cudnn.enabled = True  # ~ C050
torch._inductor.config.coordinate_descent_tuning = True  # ~ C074
torch._inductor.config.triton.unique_kernel_names = True  # ~ C074
torch._dynamo.config.cache_size_limit = 64  # ~ none

scaler = torch.GradScaler()  # ~ C040
scaler_b = GradScaler("cuda")  # ~ C040 C003?
scaler_c = torch.amp.GradScaler(device="cuda", enabled=True)  # ~ C040 C003?
scaler_d = torch.cuda.amp.GradScaler(init_scale=1024.0)  # ~ C040


class Timestep(nn.Module):
    def forward(self, t, dim: int):
        half = dim // 2
        freq = torch.exp(-torch.arange(half, dtype=torch.float64) / half)  # ~ C044
        arg = t[:, None].double() * freq  # ~ C044
        return torch.cat([arg.cos(), arg.sin()], -1).float()  # ~ none


class Rope(nn.Module):
    def forward(self, x, freqs):
        z = torch.view_as_complex(x.float().reshape(*x.shape[:-1], -1, 2))  # ~ C046
        rot = torch.polar(torch.ones_like(freqs), freqs)  # ~ C046
        return torch.view_as_real(z * rot).flatten(-2)  # ~ C046


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.lin = nn.Linear(c, c)
        self.drop = nn.Dropout(0.1)  # ~ C031?

    def forward(self, x, ctx=None):
        q = k = v = self.lin(x)
        y = F.scaled_dot_product_attention(q, k, v)  # ~ C053
        y = F.dropout(y, 0.1, self.training)  # ~ C031
        up = F.interpolate(y, scale_factor=2, mode="bicubic")  # ~ C096
        up2 = F.interpolate(y, scale_factor=2, mode="nearest")  # ~ none
        warp = F.grid_sample(up, ctx)  # ~ C096
        spec = torch.fft.rfft2(warp)  # ~ C047
        return spec.real + up2  # ~ none


class Scale(torch.autograd.Function):
    @staticmethod
    @custom_fwd(cast_inputs=torch.float16)  # ~ C041 C042
    def forward(ctx, x):
        return x * 2

    @staticmethod
    @custom_bwd  # ~ C041
    def backward(ctx, g):
        return g * 2


@torch.amp.custom_fwd(device_type="cuda")  # ~ C041 C003?
def fwd(ctx, x):
    return x


def sample(unet, vae, steps, seed, device, dtype=torch.float16):  # ~ C042
    gen = torch.Generator("cuda").manual_seed(seed)  # ~ C030 C003?
    gen2 = torch.Generator(device=device)  # ~ C030
    gen3 = torch.Generator().manual_seed(seed)  # ~ none
    x = torch.randn((1, 4, 64, 64), generator=gen, device=device, dtype=dtype)  # ~ C031
    eps = torch.randn(4, generator=gen3)  # ~ none C031?
    noise = torch.randn_like(x)  # ~ C031
    t = torch.randint(0, 1000, (4,), device="cuda")  # ~ C031 C003
    with autocast("cuda", dtype=torch.float16):  # ~ C039 C042
        x = unet(x, t)
    with old_autocast(enabled=False):  # ~ C038
        x = unet(x, t)
    with torch.cuda.amp.autocast(dtype=torch.bfloat16):  # ~ C038
        x = unet(x, t)
    with torch.autocast(device_type="cuda"):  # ~ C039
        x = vae(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):  # ~ none
        x = vae(x)
    amp = torch.autocast("cuda") if steps > 3 else contextlib.nullcontext()  # ~ C039
    with amp:
        x = x.half()  # ~ C042
    x = x.to(torch.float16)  # ~ C042
    y = x.type(torch.float64)  # ~ C044
    z = x.to(torch.bfloat16)  # ~ none
    q = x.to(torch.float8_e4m3fn)  # ~ C048
    r = torch._scaled_mm(q, q)  # ~ C048
    w = x.to(torch.complex64)  # ~ C046
    return x.float().cpu().numpy(), y, z, r, w, eps, noise, gen2  # ~ C078


def compile_all(unet, vae, text):
    unet = torch.compile(unet, mode="max-autotune", fullgraph=True)  # ~ C073 C072?
    vae = torch.compile(vae)  # ~ C072
    vae.decode = torch.compile(vae.decode, mode="reduce-overhead")  # ~ C073 C072?
    text = torch.compile(text, backend="inductor", dynamic=True)  # ~ C072 C075
    text.compile()  # ~ C072
    ts = torch.jit.trace(vae, torch.zeros(1, 4, 8, 8))  # ~ C076
    sc = torch.jit.script(text)  # ~ C076
    torch._dynamo.mark_dynamic(ts, 0)  # ~ C075
    torch.compile(unet, backend="neuron")  # ~ none
    torch.compile(unet, options={"triton.cudagraphs": True})  # ~ C073|C072|C074
    frozen = torch.jit.freeze(sc)  # ~ C076
    opt = torch.compile(backend="cudagraphs")  # ~ C072|C027
    return unet, vae, frozen, opt


@torch.compile  # ~ C072
def fused(a, b):
    return a * b


@torch.compile(dynamic=True)  # ~ C072 C075
def fused2(a, b):
    return a + b


@torch.jit.script  # ~ C076
def gelu(x):
    return x * 0.5


def capture(model, x):
    g = torch.cuda.CUDAGraph()  # ~ C027
    with torch.cuda.graph(g):  # ~ C027
        y = model(x)
    g.replay()  # ~ C027
    model = torch.cuda.make_graphed_callables(model, (x,))  # ~ C027
    return y, model, torch.cuda.is_current_stream_capturing()  # ~ C025|C027|C138


def export(model, x):
    prog = torch.export.export(model, (x,), dynamic_shapes={"x": {0: torch.export.Dim("b")}})  # ~ C075
    torch.onnx.export(model, x, "m.onnx")  # ~ none
    return prog


def train(unet, data, device):
    torch.cuda.manual_seed_all(1)  # ~ C028
    random.seed(1)  # ~ none
    np.random.seed(1)  # ~ none
    unet.enable_gradient_checkpointing()  # ~ C121
    state = torch.cuda.get_rng_state_all()  # ~ C029
    cpu_state = torch.get_rng_state()  # ~ none
    opt = torch.optim.AdamW(unet.parameters(), fused=True)  # ~ C118
    unet = unet.to(torch.bfloat16)  # ~ C043?
    sigma = 0.0
    for step, x in enumerate(data):
        weight = 0.0 if step < 100 else 1.0  # ~ C124?
        noise = torch.randn(x.shape, device=x.device)  # ~ C031
        drop = torch.rand(x.shape[0], device=x.device) < 0.1  # ~ C031
        t = torch.randint_like(x, 10)  # ~ C031
        pred = checkpoint(unet, x + noise, t)  # ~ C121
        pred2 = torch.utils.checkpoint.checkpoint(unet, x, use_reentrant=False)  # ~ none
        loss = F.mse_loss(pred, noise) + weight * pred2.mean()  # ~ C124
        scaler.scale(loss).backward()  # ~ C040?
        scaler.unscale_(opt)  # ~ C040?
        scaler.step(opt)  # ~ C040?
        scaler.update()  # ~ C040?
        sigma += loss.detach().float().item()  # ~ C077
        multi = torch.multinomial(drop.float(), 1)  # ~ C101
    torch.cuda.set_rng_state_all(state)  # ~ C029
    torch.set_rng_state(cpu_state)  # ~ none
    with torch.random.fork_rng(devices=[0]):  # ~ C029|C028?
        y = torch.rand(3)
    torch.cuda.set_rng_state(state[0], device=0)  # ~ C029
    torch.cuda.seed_all()  # ~ C028
    torch.cuda.seed()  # ~ C028
    dev_state = torch.cuda.get_rng_state("cuda")  # ~ C029 C003?
    return sigma, multi, y, dev_state, torch.cuda.initial_seed()  # ~ C028|C029|C138
