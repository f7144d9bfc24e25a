"""Kernels and the operators around them."""
import torch
import torch.nn.functional as F
import triton  # ~ C060
import triton.language as tl  # ~ C060
import xformers.ops as xops  # ~ C057
from flash_attn import flash_attn_func, flash_attn_varlen_func  # ~ C054
from flash_attn.bert_padding import unpad_input  # ~ C054
from torch.nn.attention import SDPBackend, sdpa_kernel  # ~ C052?
from torch.nn.attention.flex_attention import create_block_mask, flex_attention  # ~ C058?
from torch.utils.cpp_extension import load, load_inline  # ~ C061?
import fused_ops._C as _C  # ~ none
from causal_conv1d import causal_conv1d_fn  # ~ C054?
from torch.library import Library, custom_op, impl, register_fake


@triton.jit  # ~ C059
def add_kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    pid = tl.program_id(0)  # ~ C059?
    offs = pid * BLOCK + tl.arange(0, BLOCK)  # ~ C059?
    x = tl.load(x_ptr + offs, mask=offs < n)  # ~ C059?
    tl.store(y_ptr + offs, x, mask=offs < n)  # ~ C059?


@triton.autotune(configs=[triton.Config({"BLOCK": 128})], key=["n"])  # ~ C059
@triton.jit  # ~ C059
def mul_kernel(x_ptr, n, BLOCK: tl.constexpr):
    tl.store(x_ptr, 0)  # ~ C059?


def call(x):
    y = torch.empty_like(x)
    add_kernel[(1,)](x, y, x.numel(), BLOCK=128)  # ~ C059?
    grid = lambda meta: (triton.cdiv(x.numel(), meta["BLOCK"]),)  # ~ C059?
    mul_kernel[grid](x, x.numel())  # ~ C059?
    return y


ext = load("ext", sources=["a.cpp", "b.cu"])  # ~ C061
inl = load_inline("inl", cpp_sources="", cuda_sources="x", functions=["f"])  # ~ C061


class Fused(torch.autograd.Function):  # ~ C123
    @staticmethod
    def forward(ctx, x):
        return _C.relu_cuda(x)

    @staticmethod
    def backward(ctx, g):
        return _C.relu_cuda_backward(g)


class Plain(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clamp(min=0)  # ~ none

    @staticmethod
    def backward(ctx, g):
        return g  # ~ none


lib = Library("mine", "DEF")  # ~ C062?
lib.impl("relu", Fused.apply, "CUDA")  # ~ C062


@impl("mine::gelu", "CUDA")  # ~ C062
def gelu_cuda(x):
    return x


@custom_op("mine::twice", mutates_args=(), device_types="cuda")  # ~ C062 C003?
def twice(x: torch.Tensor) -> torch.Tensor:
    return x * 2


@torch.library.register_kernel("mine::twice", "cuda")  # ~ C062 C003?
def twice_cuda(x):
    return x * 2


def attend(q, k, v, cu, mode):
    a = flash_attn_func(q, k, v, causal=True)  # ~ C054
    b = flash_attn_varlen_func(q, k, v, cu_seqlens_q=cu, cu_seqlens_k=cu, max_seqlen_q=8, max_seqlen_k=8)  # ~ C054 C055
    c = xops.memory_efficient_attention(q, k, v)  # ~ C057
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):  # ~ C052
        d = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # ~ C053
    with torch.backends.cuda.sdp_kernel(enable_flash=True, enable_math=False):  # ~ C052
        e = F.scaled_dot_product_attention(q, k, v)  # ~ C053
    torch.backends.cuda.enable_mem_efficient_sdp(False)  # ~ C052
    torch.backends.cuda.enable_flash_sdp(True)  # ~ C052
    mask = create_block_mask(lambda b, h, i, j: i >= j, None, None, 8, 8)  # ~ C058
    f = flex_attention(q, k, v, block_mask=mask)  # ~ C058
    g = torch.ops.mine.relu(q)  # ~ C062
    h = torch.ops.aten.relu(q)  # ~ none
    i = unpad_input(q, mode)  # ~ C054 C055?
    j = torch.softmax(q @ k.transpose(-1, -2), -1) @ v  # ~ none
    return a, b, c, d, e, f, g, h, i, j, causal_conv1d_fn


def flash_cards(deck):
    return deck.flash_attention  # ~ none
