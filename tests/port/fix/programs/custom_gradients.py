"""Gradients of one's own under autocast, in both spellings."""

import torch
from torch.cuda.amp import custom_bwd, custom_fwd

x = torch.ones(2, 3)


class F(torch.autograd.Function):
    @staticmethod
    @custom_fwd(cast_inputs=torch.float32)
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return a * 2

    @staticmethod
    @custom_bwd
    def backward(ctx, g):
        return g * 2


class G(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cuda")
    def forward(ctx, a):
        return a * 2

    @staticmethod
    @torch.amp.custom_bwd(device_type="cuda")
    def backward(ctx, g):
        return g * 2


w = x.cuda().requires_grad_()
with torch.cuda.amp.autocast():
    (F.apply(w) + G.apply(w)).sum().backward()
print(w.grad.sum())
