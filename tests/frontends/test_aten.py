"""Every aten rule against PyTorch: one row is a function of tensors, its name, and its inputs."""

import math

import pytest
import torch
import torch.nn.functional as F

from frontends.parity import check_function

# The same inputs in every run: a sum that happens to cancel has no digits to agree in.
RNG = torch.Generator().manual_seed(0)


def f(*shape):
    return torch.randn(*shape, generator=RNG)


def positive(*shape):
    return torch.rand(*shape, generator=RNG) + 0.1


def whole(*shape, low=-9, high=9, dtype=torch.int64):
    return torch.randint(low, high, shape, dtype=dtype, generator=RNG)


def mask(*shape):
    return torch.rand(*shape, generator=RNG) > 0.4


IDS = torch.tensor([[0, 2], [-1, 1]])

ARITHMETIC = {
    "add": (lambda x, y: x + y, f(3, 4), f(4)),
    "add-alpha": (lambda x, y: torch.add(x, y, alpha=2.5), f(3, 4), f(3, 1)),
    "add-number": (lambda x: x + 1.5, f(3)),
    "add-int-float": (lambda x, y: x + y, whole(3), f(3)),
    "add-int-number": (lambda x: x + 0.5, whole(3)),
    "add-bool-int": (lambda x, y: x + y, mask(5), whole(5)),
    "add-bool-bool": (lambda x, y: torch.add(x, y), mask(5), mask(5)),
    "add-scalar-tensor": (lambda x: x + torch.tensor(2.0), f(2, 3)),
    "add-half": (lambda x, y: x.to(torch.bfloat16).float() + y, whole(3), f(3)),
    "sub": (lambda x, y: torch.sub(x, y, alpha=3), f(2, 1, 4), f(3, 4)),
    "rsub": (lambda x: 1 - x, f(3, 4)),
    "rsub-alpha": (lambda x, y: torch.rsub(x, y, alpha=2), f(3), f(3)),
    "mul": (lambda x, y: x * y, f(3, 4), f(1, 4)),
    "mul-bool": (lambda x, y: x * y, mask(4), mask(4)),
    "mul-bool-float": (lambda x, y: x * y, mask(4), f(4)),
    "div": (lambda x, y: x / y, f(3, 4), positive(3, 1)),
    "div-int": (lambda x: x / 2, whole(6)),
    "div-floor": (lambda x: torch.div(x, 3, rounding_mode="floor"), whole(20)),
    "div-trunc": (lambda x: torch.div(x, 3, rounding_mode="trunc"), whole(20)),
    "div-trunc-float": (lambda x: torch.div(x, 0.7, rounding_mode="trunc"), f(20)),
    "floor-divide": (lambda x, y: x // y, whole(50), whole(50, low=1)),
    "floor-divide-negative": (lambda x: x // -4, whole(50)),
    "floor-divide-float": (lambda x: x // 0.7, f(20)),
    "remainder": (lambda x: x % 5, whole(50)),
    "remainder-negative": (lambda x: x % -5, whole(50)),
    "remainder-float": (lambda x: torch.remainder(x, 0.7), f(20)),
    "fmod": (lambda x: torch.fmod(x, 3), whole(50)),
    "pow-2": (lambda x: x**2, f(5)),
    "pow-3": (lambda x: x**3.0, f(5)),
    "pow-half": (lambda x: x**0.5, positive(5)),
    "pow-minus-half": (lambda x: x**-0.5, positive(5)),
    "pow-minus-1": (lambda x: x**-1, positive(5)),
    "pow-real": (lambda x: x**1.7, positive(5)),
    "pow-tensor": (lambda x, y: x**y, positive(5), f(5)),
    "pow-base": (lambda x: 2.0**x, f(5)),
    "pow-int": (lambda x: x**2, whole(5)),
    "square": (torch.square, f(5)),
    "maximum": (torch.maximum, f(5), f(5)),
    "minimum": (torch.minimum, f(3, 5), f(5)),
    "clamp": (lambda x: x.clamp(-0.5, 0.5), f(9)),
    "clamp-min": (lambda x: x.clamp(min=0.1), f(9)),
    "clamp-max": (lambda x: x.clamp_max(0.1), f(9)),
    "clamp-tensor": (lambda x, y: torch.clamp(x, max=y), f(9), f(9)),
    "clamp-int": (lambda x: x.clamp(0, 3), whole(9)),
    "abs": (torch.abs, f(5)),
    "neg": (lambda x: -x, f(5)),
    "sign": (torch.sign, f(5)),
    "floor": (torch.floor, f(5)),
    "ceil": (torch.ceil, f(5)),
    "trunc": (torch.trunc, f(5) * 3),
    "round": (torch.round, torch.tensor([0.5, 1.5, 2.5, -0.5, 1.2])),
    "exp": (torch.exp, f(5)),
    "exp-int": (torch.exp, whole(5)),
    "exp2": (torch.exp2, f(5)),
    "expm1": (torch.expm1, f(5)),
    "log": (torch.log, positive(5)),
    "log1p": (torch.log1p, positive(5)),
    "log2": (torch.log2, positive(5)),
    "log10": (torch.log10, positive(5)),
    "sqrt": (torch.sqrt, positive(5)),
    "rsqrt": (torch.rsqrt, positive(5)),
    "reciprocal": (torch.reciprocal, positive(5)),
    "sin": (torch.sin, f(5)),
    "cos": (torch.cos, f(5)),
    "tan": (torch.tan, f(5) / 2),
    "erf": (torch.erf, f(5)),
    "erfc": (torch.special.erfc, f(5)),
    "sinh": (torch.sinh, f(5)),
    "cosh": (torch.cosh, f(5)),
    "lerp": (lambda x, y: torch.lerp(x, y, 0.3), f(5), f(5)),
    "addcmul": (lambda x, y, z: torch.addcmul(x, y, z, value=0.5), f(5), f(5), f(5)),
    "addcdiv": (lambda x, y, z: torch.addcdiv(x, y, z), f(5), f(5), positive(5)),
    "nan-to-num": (
        lambda x: torch.nan_to_num(x, 1.0, 2.0, 3.0),
        torch.tensor([1.0, math.nan, math.inf, -math.inf]),
    ),
    "in-place": (lambda x: (x * 1).add_(1).mul_(2).relu_(), f(5)),
    "assign-slice": (lambda x: _assigned(x), f(4, 6)),
}


def _assigned(x):
    y = x.clone()
    y[:, 1:3] = 7.0
    y[0] = x[1] * 2
    y[:, -1] += 1
    return y


LOGIC = {
    "eq": (lambda x, y: x == y, whole(30), whole(30)),
    "ne": (lambda x: x != 3, whole(30)),
    "lt": (lambda x, y: x < y, f(4, 3), f(3)),
    "le": (lambda x: x <= 0.5, f(9)),
    "gt-int-float": (lambda x: x > 0.5, whole(9)),
    "ge": (lambda x, y: x >= y, whole(9), f(9)),
    "logical": (lambda x, y: x.logical_and(y) | x.logical_or(y) ^ y, mask(9), mask(9)),
    "logical-numbers": (lambda x, y: torch.logical_and(x, y), whole(9), f(9)),
    "logical-not": (torch.logical_not, whole(9)),
    "logical-xor": (torch.logical_xor, mask(9), mask(9)),
    "bitwise": (lambda x, y: (x & y) | (x ^ 5), whole(9), whole(9)),
    "bitwise-not": (lambda x: ~x, mask(9)),
    "isnan": (torch.isnan, torch.tensor([1.0, math.nan])),
    "isinf": (torch.isinf, torch.tensor([1.0, -math.inf])),
    "isfinite": (torch.isfinite, torch.tensor([1.0, -math.inf, math.nan])),
    "where": (torch.where, mask(3, 4), f(4), f(3, 1)),
    "where-number": (lambda m, x: torch.where(m, x, -1.0), mask(3, 4), f(4)),
    "where-numbers": (lambda m: torch.where(m, 1.0, -math.inf), mask(9)),
    "masked-fill": (lambda x, m: x.masked_fill(m, -math.inf), f(3, 4), mask(4)),
    "masked-fill-tensor": (lambda x, m: x.masked_fill(m, x.sum()), f(3, 4), mask(3, 1)),
    "any": (lambda m: m.any(dim=1), mask(3, 4)),
    "any-all": (lambda m: m.any(), whole(3, 4)),
    "all": (lambda m: m.all(dim=-1, keepdim=True), mask(3, 4)),
}

ACTIVATION = {
    "gelu": (F.gelu, f(20)),
    "gelu-tanh": (lambda x: F.gelu(x, approximate="tanh"), f(20)),
    "silu": (F.silu, f(20)),
    "relu": (F.relu, f(20)),
    "relu6": (F.relu6, f(20) * 5),
    "tanh": (torch.tanh, f(20)),
    "sigmoid": (torch.sigmoid, f(20)),
    "sigmoid-int": (torch.sigmoid, whole(20)),
    "elu": (lambda x: F.elu(x, 0.7), f(20)),
    "selu": (F.selu, f(20)),
    "celu": (lambda x: F.celu(x, 0.7), f(20)),
    "leaky-relu": (lambda x: F.leaky_relu(x, 0.2), f(20)),
    "prelu": (F.prelu, f(2, 3, 4), f(3)),
    "hardswish": (F.hardswish, f(20) * 4),
    "hardsigmoid": (F.hardsigmoid, f(20) * 4),
    "hardtanh": (F.hardtanh, f(20)),
    "softplus": (lambda x: F.softplus(x, 2.0, 3.0), f(20) * 4),
    "softsign": (F.softsign, f(20)),
    "mish": (F.mish, f(20)),
    "logsigmoid": (F.logsigmoid, f(20)),
    "tanhshrink": (F.tanhshrink, f(20)),
    "softshrink": (F.softshrink, f(20)),
    "hardshrink": (F.hardshrink, f(20)),
    "threshold": (lambda x: F.threshold(x, 0.1, 5.0), f(20)),
    "glu": (lambda x: F.glu(x, 1), f(3, 6, 2)),
    "softmax": (lambda x: F.softmax(x, -1), f(3, 5)),
    "softmax-middle": (lambda x: F.softmax(x, 1), f(3, 5, 2)),
    "softmax-format": (lambda x: x.softmax(-1, dtype=torch.float32), f(3, 5)),
    "softmax-int": (lambda x: F.softmax(x, -1, dtype=torch.float32), whole(3, 5)),
    "log-softmax": (lambda x: F.log_softmax(x, -1), f(3, 5)),
    "dropout": (lambda x: F.dropout(x, 0.5, training=False), f(5)),
}

SHAPE = {
    "view": (lambda x: x.view(2, -1), f(4, 3)),
    "reshape-transposed": (lambda x: x.t().reshape(-1, 2), f(4, 3)),
    "flatten": (lambda x: x.flatten(1), f(2, 3, 4)),
    "unflatten": (lambda x: x.unflatten(-1, (2, 3)), f(4, 6)),
    "squeeze": (lambda x: (x.squeeze(), x.squeeze(1), x.squeeze(0)), f(2, 1, 3)),
    "unsqueeze": (lambda x: x[None, :, None].unsqueeze(-1), f(3, 2)),
    "permute": (lambda x: x.permute(2, 0, -2), f(2, 3, 4)),
    "transpose": (lambda x: x.transpose(-1, 0), f(2, 3, 4)),
    "swapaxes": (lambda x: x.swapaxes(1, 2), f(2, 3, 4)),
    "t": (lambda x: x.t() @ x, f(3, 4)),
    "T": (lambda x: x.T + x.mT, f(3, 3)),
    "movedim": (lambda x: x.movedim(0, -1) * x.movedim((0, 1), (2, 0)).sum(), f(2, 3, 4)),
    "expand": (lambda x: x.expand(2, -1, 4), f(3, 1)),
    "expand-as": (lambda x, y: x.expand_as(y), f(3, 1), f(2, 3, 4)),
    "broadcast-to": (lambda x: x.broadcast_to(2, 3), f(3)),
    "repeat": (lambda x: x.repeat(2, 1, 3), f(2, 3)),
    "tile": (lambda x: x.tile(2), f(2, 3)),
    "repeat-interleave": (lambda x: x.repeat_interleave(3, dim=1), f(2, 3)),
    "repeat-interleave-flat": (lambda x: x.repeat_interleave(2), f(2, 3)),
    "cat": (lambda x, y: torch.cat([x, y], -1), f(2, 3), f(2, 1)),
    "cat-formats": (lambda x, y: torch.cat([x, y]), f(2), whole(3)),
    "cat-empty": (lambda x: torch.cat([x, x[:0]]), f(2, 3)),
    "stack": (lambda x, y: torch.stack([x, y], -1), f(2, 3), f(2, 3)),
    "hstack": (lambda x, y: torch.hstack([x, y]), f(2, 3), f(2, 3)),
    "meshgrid": (lambda x, y: torch.meshgrid(x, y, indexing="ij"), f(2), f(3)),
    "flip": (lambda x: x.flip(0, -1), f(2, 3)),
    "roll": (lambda x: x.roll((1, -2), (0, 1)), f(3, 4)),
    "roll-flat": (lambda x: x.roll(2), f(3, 4)),
    "pad": (lambda x: F.pad(x, (1, 2, 0, 1), value=3.0), f(2, 3)),
    "pad-negative": (lambda x: F.pad(x, (-1, 2)), f(2, 3)),
    "pad-int": (lambda x: F.pad(x, (1, 0), value=1), whole(2, 3)),
    "unfold": (lambda x: x.unfold(1, 3, 2), f(2, 9)),
    "view-as": (lambda x, y: x.view_as(y), f(2, 6), f(3, 4)),
    "einops": (lambda x: x.reshape(2, 2, 3).permute(1, 0, 2).flatten(0, 1), f(4, 3)),
    "unfold-im2col": (lambda x: F.unfold(x, (3, 1), padding=(1, 0)), f(2, 3, 5, 1)),
}

INDEXING = {
    "slice": (lambda x: x[1:, :-1], f(4, 5)),
    "slice-step": (lambda x: x[::2, 1::3], f(4, 9)),
    "slice-beyond": (lambda x: x[2:100], f(4)),
    "narrow": (lambda x: x.narrow(1, 1, 2), f(3, 4)),
    "select": (lambda x: x[:, 0] + x[:, -1], f(3, 4)),
    "unbind": (lambda x: x.unbind(1), f(2, 3)),
    "split": (lambda x: x.split(2, -1), f(2, 5)),
    "split-sizes": (lambda x: x.split([1, 4], -1)[1], f(2, 5)),
    "chunk": (lambda x: x.chunk(3, -1), f(2, 7)),
    "tensor-split": (lambda x: x.tensor_split(3, -1), f(2, 7)),
    "index": (lambda x, i: x[i], f(5, 3), IDS),
    "index-second": (lambda x, i: x[:, i], f(2, 5, 3), IDS),
    "index-last": (lambda x, i: x[..., i], f(2, 3, 5), IDS),
    "index-two": (lambda x, i, j: x[i, j], f(5, 4, 3), IDS, IDS[:1]),
    "index-two-middle": (lambda x, i, j: x[:, i, j], f(2, 5, 4, 3), IDS, IDS[:1]),
    "index-apart": (lambda x, i, j: x[i, :, j], f(5, 2, 4, 3), IDS, IDS[:1]),
    "index-known": (lambda x: x[torch.tensor([2, 0])], f(4, 3)),
    "index-range": (lambda x: x[torch.arange(2)[:, None], torch.arange(1, 4)[None]], f(2, 5)),
    "index-one-row": (lambda x: x[torch.arange(1)[:, None], torch.arange(4)[None]], f(1, 4)),
    "index-crossed": (lambda x: x[torch.arange(2)[None], torch.arange(3)[:, None]], f(2, 3)),
    "index-diagonal": (lambda x: x[torch.arange(3), torch.arange(3)], f(3, 3)),
    "index-pick": (lambda x, i: x[torch.arange(2), i], f(2, 5, 3), torch.tensor([4, -2])),
    "index-select": (lambda x, i: x.index_select(1, i), f(2, 5), torch.tensor([3, 0, 3])),
    "gather": (lambda x, i: x.gather(1, i), f(2, 5), whole(2, 3, low=0, high=5)),
    "gather-first": (lambda x, i: x.gather(0, i), f(4, 5, 2), whole(3, 5, 1, low=0, high=4)),
    "take-along": (lambda x, i: x.take_along_dim(i, 1), f(2, 5), whole(2, 3, low=0, high=5)),
    "embedding": (F.embedding, whole(2, 3, low=0, high=7), f(7, 4)),
    "embedding-padding": (lambda i, w: F.embedding(i, w, 0), whole(2, 3, low=0, high=7), f(7, 4)),
    "one-hot": (lambda i: (i[:, None] == torch.arange(5)).float(), whole(4, low=0, high=5)),
    "argmax": (lambda x: (x.argmax(-1), x.argmin(0, keepdim=True), x.argmax()), f(3, 4)),
    "diagonal-mask": (lambda x: x * (1 - torch.eye(3)), f(3, 3)),
}

CREATION = {
    "zeros-like": (lambda x: torch.zeros_like(x) + x.new_zeros(4), f(3, 4)),
    "ones-like": (lambda x: torch.ones_like(x, dtype=torch.int64), f(3, 4)),
    "full": (lambda x: x + torch.full((3, 1), 2.5), f(3, 4)),
    "full-like": (lambda x: torch.full_like(x, -math.inf), f(3, 4)),
    "new-full": (lambda x: x.new_full((2,), 7), whole(3)),
    "arange": (lambda x: x + torch.arange(4), f(3, 4)),
    "arange-step": (lambda x: x + torch.arange(1, 9, 2), f(3, 4)),
    "arange-real": (lambda x: x + torch.arange(0, 1, 0.25), f(3, 4)),
    "linspace": (lambda x: x * torch.linspace(0, 1, 4), f(3, 4)),
    "scalar-tensor": (lambda x: x * torch.tensor(3.5), f(3)),
    "tril": (lambda x: x.tril(-1), f(3, 4)),
    "triu": (lambda x: x.triu(1), f(2, 3, 4)),
    "causal": (lambda x: x.masked_fill(torch.ones(4, 4).tril() == 0, -1e9), f(4, 4)),
    "to": (lambda x: (x.to(torch.int32), x.bool(), x.half().float()), whole(9) / 4),
    "type-as": (lambda x, y: x.type_as(y), whole(4), f(4)),
    "detach": (lambda x: x.detach().contiguous().clone() + 1, f(3)),
    "big-arange": (lambda x: x + torch.arange(1 << 21)[:2], f(2)),
    "outer": (torch.outer, f(3), f(4)),
}

REDUCTION = {
    "sum": (lambda x: x.sum(), f(3, 4)),
    "sum-dims": (lambda x: x.sum((0, -1), keepdim=True), f(2, 3, 4)),
    "sum-bool": (lambda x: x.sum(-1), mask(3, 4)),
    "sum-int": (lambda x: x.sum(-1), whole(3, 4, dtype=torch.int32)),
    "mean": (lambda x: x.mean(-1), f(3, 4)),
    "mean-all": (lambda x: x.mean(), f(3, 4)),
    "prod": (lambda x: x.prod(-1), f(3, 4)),
    "amax": (lambda x: x.amax((0, 1)) - x.amin(), f(3, 4)),
    "max": (lambda x: x.max() - x.min(), f(3, 4)),
    "max-dim": (lambda x: x.max(dim=1), f(3, 4)),
    "min-dim": (lambda x: x.min(dim=-1, keepdim=True), whole(3, 9)),
    "max-bool-sum": (lambda x: x.max(-1).values.sum(), f(3, 4)),
    "var": (lambda x: x.var(-1), f(3, 4)),
    "var-biased": (lambda x: x.var(-1, unbiased=False, keepdim=True), f(3, 4)),
    "std": (lambda x: x.std((0, 1)), f(3, 4)),
    "std-all": (lambda x: x.std(), f(3, 4)),
    "var-mean": (lambda x: torch.var_mean(x, -1), f(3, 4)),
    "norm": (lambda x: x.norm(dim=-1), f(3, 4)),
    "norm-all": (lambda x: x.norm(), f(3, 4)),
    "norm-1": (lambda x: x.norm(p=1, dim=-1, keepdim=True), f(3, 4)),
    "vector-norm": (lambda x: torch.linalg.vector_norm(x, math.inf, -1), f(3, 4)),
    "linalg-norm": (lambda x: torch.linalg.norm(x, dim=-1), f(3, 4)),
    "normalize": (lambda x: F.normalize(x, dim=-1), f(3, 4)),
    "cumsum": (lambda x: x.cumsum(1), f(3, 4)),
    "cumsum-bool": (lambda x: x.ne(0).int().cumsum(-1), whole(3, 9)),
    "logsumexp": (lambda x: x.logsumexp(-1), f(3, 4)),
    "cosine-similarity": (lambda x, y: F.cosine_similarity(x, y, dim=-1), f(3, 4), f(3, 4)),
    "pairwise": (lambda x, y: (x[:, None] - y[None]).pow(2).sum(-1).sqrt(), f(3, 4), f(5, 4)),
    "scalar": (lambda x: x.sum().sum(0).mean(), f(3)),
}

CONTRACTION = {
    "matmul": (torch.matmul, f(3, 4), f(4, 5)),
    "matmul-batched": (torch.matmul, f(2, 1, 3, 4), f(5, 4, 2)),
    "matmul-batched-2d": (torch.matmul, f(2, 3, 4), f(4, 2)),
    "matmul-2d-batched": (torch.matmul, f(3, 4), f(2, 4, 2)),
    "matmul-vectors": (torch.matmul, f(4), f(4)),
    "matmul-vector-right": (torch.matmul, f(2, 3, 4), f(4)),
    "matmul-vector-left": (torch.matmul, f(4), f(2, 4, 3)),
    "mm": (torch.mm, f(3, 4), f(4, 5)),
    "mv": (torch.mv, f(3, 4), f(4)),
    "bmm": (torch.bmm, f(2, 3, 4), f(2, 4, 5)),
    "addmm": (lambda b, x, y: torch.addmm(b, x, y, beta=0.5, alpha=2), f(5), f(3, 4), f(4, 5)),
    "baddbmm": (torch.baddbmm, f(2, 3, 5), f(2, 3, 4), f(2, 4, 5)),
    "addmv": (torch.addmv, f(3), f(3, 4), f(4)),
    "linear": (F.linear, f(2, 3, 4), f(5, 4), f(5)),
    "linear-no-bias": (F.linear, f(3, 4), f(5, 4)),
    "linear-vector": (F.linear, f(4), f(5, 4), f(5)),
    "bilinear": (F.bilinear, f(3, 4), f(3, 5), f(2, 4, 5)),
    "einsum": (lambda x, y: torch.einsum("bhid,bhjd->bhij", x, y), f(2, 3, 4, 5), f(2, 3, 6, 5)),
    "einsum-outer": (lambda x, y: torch.einsum("bi,j->bij", x, y), f(2, 3), f(4)),
    "einsum-three": (lambda x, y: torch.einsum("bld,lrd->blr", x, y), f(2, 3, 4), f(3, 6, 4)),
    "tensordot": (lambda x, y: torch.tensordot(x, y, dims=([1], [0])), f(2, 3), f(3, 4)),
    "conv1d-1x1": (F.conv1d, f(2, 4, 5), f(6, 4, 1), f(6)),
    "conv1d": (lambda x, w, b: F.conv1d(x, w, b, padding=1), f(2, 4, 7), f(6, 4, 3), f(6)),
    "conv1d-groups": (lambda x, w: F.conv1d(x, w, groups=2), f(2, 4, 7), f(6, 2, 3)),
    "conv1d-depthwise": (lambda x, w: F.conv1d(x, w, padding=2, groups=4), f(2, 4, 7), f(4, 1, 3)),
    "conv1d-stride": (lambda x, w: F.conv1d(x, w, stride=2, dilation=2), f(2, 4, 9), f(3, 4, 3)),
    "conv1d-same": (lambda x, w: F.conv1d(x, w, padding="same"), f(2, 4, 9), f(3, 4, 4)),
    "conv2d": (lambda x, w: F.conv2d(x, w, stride=2, padding=1), f(2, 3, 6, 5), f(4, 3, 3, 3)),
    "conv2d-one-image": (lambda x, w: F.conv2d(x, w), f(3, 6, 5), f(4, 3, 2, 2)),
    "avg-pool": (lambda x: F.avg_pool1d(x, 3, 2, 1), f(2, 3, 8)),
    "avg-pool-2d": (lambda x: F.avg_pool2d(x, (2, 1), ceil_mode=True), f(2, 3, 7, 4)),
    "avg-pool-no-padding": (
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
        f(2, 3, 7, 6),
    ),
}

NORMALISATION = {
    "layer-norm": (lambda x, w, b: F.layer_norm(x, (5,), w, b), f(2, 3, 5), f(5), f(5)),
    "layer-norm-bare": (lambda x: F.layer_norm(x, (5,)), f(2, 3, 5)),
    "layer-norm-no-bias": (lambda x, w: F.layer_norm(x, (5,), w), f(2, 3, 5), f(5)),
    "layer-norm-dims": (
        lambda x, w, b: F.layer_norm(x, (3, 5), w, b, 1e-3),
        f(2, 3, 5),
        f(3, 5),
        f(3, 5),
    ),
    "rms-norm": (lambda x, w: F.rms_norm(x, (5,), w), f(2, 5), f(5)),
    "rms-norm-epsilon": (lambda x: F.rms_norm(x, (5,), eps=0.1), f(2, 5)),
    "rms-norm-by-hand": (
        lambda x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6),
        f(2, 5),
    ),
    "group-norm": (lambda x, w, b: F.group_norm(x, 2, w, b), f(2, 4, 3), f(4), f(4)),
    "batch-norm": (
        lambda x, m, v, w, b: F.batch_norm(x, m, v, w, b),
        f(2, 4, 3),
        f(4),
        positive(4),
        f(4),
        f(4),
    ),
    "instance-norm": (lambda x: F.instance_norm(x), f(2, 4, 6)),
}

Q, K, V = f(2, 4, 3, 8), f(2, 4, 5, 8), f(2, 4, 5, 6)
SDPA = F.scaled_dot_product_attention
ROWS = torch.tensor([[True] * 5, [True] * 2 + [False] * 3])[:, None, None]
ATTENTION = {
    "plain": (SDPA, Q, K, V),
    "scale": (lambda q, k, v: SDPA(q, k, v, scale=0.3), Q, K, V),
    "bool-mask": (lambda q, k, v, m: SDPA(q, k, v, m), Q, K, V, ROWS),
    "float-mask": (lambda q, k, v, m: SDPA(q, k, v, m), Q, K, V, f(2, 1, 3, 5)),
    "mask-2d": (lambda q, k, v, m: SDPA(q, k, v, m), Q, K, V, f(3, 5)),
    "mask-3d": (lambda q, k, v, m: SDPA(q, k, v, m), Q, K, V, f(4, 3, 5)),
    "causal": (lambda q, k, v: SDPA(q, k, v, is_causal=True), Q, K, V),
    "grouped": (lambda q, k, v: SDPA(q, k, v, enable_gqa=True), Q, K[:, :2], V[:, :2]),
    "three-dims": (SDPA, Q[0], K[0], V[0]),
    "three-dims-mask": (lambda q, k, v, m: SDPA(q, k, v, m), Q[0], K[0], V[0], f(4, 1, 5)),
    "two-dims": (SDPA, Q[0, 0], K[0, 0], V[0, 0]),
    "five-dims": (
        lambda q, k, v, m: SDPA(q[None], k[None], v[None], m),
        Q,
        K,
        V,
        mask(1, 2, 1, 3, 5) | torch.eye(3, 5).bool(),
    ),
    "masked-rows": (lambda q, k, v, m: SDPA(q, k, v, m), Q, K, V, torch.zeros(3, 5).bool()),
}

TABLES = {
    "arithmetic": ARITHMETIC,
    "logic": LOGIC,
    "activation": ACTIVATION,
    "shape": SHAPE,
    "indexing": INDEXING,
    "creation": CREATION,
    "reduction": REDUCTION,
    "contraction": CONTRACTION,
    "normalisation": NORMALISATION,
    "attention": ATTENTION,
}
ROWS_OF_ALL = [
    pytest.param(*row, id=f"{family}-{name}")
    for family, table in TABLES.items()
    for name, row in ((n, (r,)) for n, r in table.items())
]


@pytest.mark.parametrize("row", ROWS_OF_ALL)
def test_op_means_what_pytorch_computes(row):
    function, *inputs = row
    check_function(function, *inputs)
