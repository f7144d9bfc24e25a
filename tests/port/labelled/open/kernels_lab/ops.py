import fused_bias_cuda
import torch
import torch.nn.functional as F
import triton  # ~ C060
import triton.language as tl  # ~ C060
from flash_attn import flash_attn_func  # ~ C054
from flash_attn import flash_attn_varlen_func as varlen  # ~ C054
from flash_attn.bert_padding import unpad_input  # ~ C054
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.flex_attention import create_block_mask, flex_attention  # ~ C058?
from torch.utils.cpp_extension import load, load_inline

ext = load(name="rms", sources=["csrc/rms.cpp", "csrc/rms.cu"])  # ~ C061
inline = load_inline(name="add", cpp_sources=CPP, cuda_sources=CUDA_SRC, functions=["add"])  # ~ C061


@triton.autotune(configs=[triton.Config({"BLOCK": 128}, num_warps=4)], key=["n"])  # ~ C059
@triton.jit  # ~ C059
def add_kernel(x_ptr, y_ptr, out_ptr, n, BLOCK: tl.constexpr):
    pid = tl.program_id(0)  # ~ none
    offs = pid * BLOCK + tl.arange(0, BLOCK)  # ~ none
    mask = offs < n  # ~ none
    x = tl.load(x_ptr + offs, mask=mask)  # ~ none
    tl.store(out_ptr + offs, x + tl.load(y_ptr + offs, mask=mask), mask=mask)  # ~ none


def add(x, y):
    out = torch.empty_like(x)
    grid = lambda meta: (triton.cdiv(x.numel(), meta["BLOCK"]),)  # ~ C060?
    add_kernel[grid](x, y, out, x.numel(), BLOCK=1024)  # ~ C059?
    return out


class FusedBias(torch.autograd.Function):  # ~ C123
    @staticmethod
    def forward(ctx, x, bias):
        ctx.save_for_backward(x, bias)  # ~ none
        return fused_bias_cuda.forward(x.contiguous(), bias)  # ~ C123?

    @staticmethod
    def backward(ctx, grad):
        return fused_bias_cuda.backward(grad, *ctx.saved_tensors)  # ~ C123?


def attention(q, k, v, cu_seqlens, max_len):
    if q.dim() == 3:  # ~ none
        return varlen(q, k, v, cu_seqlens_q=cu_seqlens, cu_seqlens_k=cu_seqlens,  # ~ C055 C054?
                      max_seqlen_q=max_len, max_seqlen_k=max_len)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):  # ~ C052
        a = F.scaled_dot_product_attention(q, k, v)  # ~ C053
    with torch.backends.cuda.sdp_kernel(enable_flash=True, enable_math=False):  # ~ C052
        b = torch.nn.functional.scaled_dot_product_attention(q, k, v)  # ~ C053
    torch.backends.cuda.enable_flash_sdp(True)  # ~ C052
    block = create_block_mask(lambda b, h, i, j: i >= j, 1, 1, 128, 128)  # ~ C058
    c = flex_attention(q, k, v, block_mask=block)  # ~ C058
    return a + b + c + flash_attn_func(q, k, v, causal=True)  # ~ C054?


@torch.library.custom_op("mylib::rms", mutates_args=(), device_types="cuda")  # ~ C062
def rms(x: torch.Tensor) -> torch.Tensor:
    return ext.rms(x)


def rms_norm(x):
    return torch.ops.mylib.rms(x)  # ~ C062


def pack(lengths):
    cu_seqlens = F.pad(lengths.cumsum(0, dtype=torch.int32), (1, 0))  # ~ C055
    return cu_seqlens


def portable(x):
    y = torch.ops.aten.relu(x)  # ~ none
    return F.layer_norm(y, (4,))  # ~ none
