import torch
import transformer_engine.pytorch as te  # ~ C067
from apex import amp  # ~ C063
from apex.normalization import FusedLayerNorm  # ~ C063
from apex.optimizers import FusedAdam as Adam  # ~ C063
from liger_kernel.transformers import apply_liger_kernel_to_llama  # ~ C068
from numba import cuda, njit  # ~ C070
from transformers import AutoModelForCausalLM
from cut_cross_entropy import linear_cross_entropy  # ~ C068
import cupy as cp  # ~ C070
import tensorrt as trt  # ~ C071
from torch2trt import torch2trt  # ~ C071
from nvidia.dali import pipeline_def  # ~ C037
import nvidia.dali.fn as fn  # ~ C037
from awq import AutoAWQForCausalLM  # ~ C069
from auto_gptq import AutoGPTQForCausalLM  # ~ C069
from torchao.quantization import quantize_  # ~ C069

model = AutoModelForCausalLM.from_pretrained("m/x", attn_implementation="flash_attention_2")  # ~ C056
other = AutoModelForCausalLM.from_pretrained("m/x", attn_implementation="sdpa")  # ~ none
old = AutoModelForCausalLM.from_pretrained("m/x", use_flash_attention_2=True)  # ~ C056
apply_liger_kernel_to_llama()  # ~ C068?
model, opt = amp.initialize(model, Adam(model.parameters()), opt_level="O1")  # ~ C063


@njit  # ~ none
def host_loop(a):
    return a.sum()


@cuda.jit  # ~ C070
def scale(a):
    i = cuda.grid(1)
    a[i] *= 2


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = te.Linear(256, 256)  # ~ C067
        self.norm = FusedLayerNorm(256)  # ~ C063

    def forward(self, x):
        with te.fp8_autocast(enabled=True):  # ~ C067 C048?
            return self.fc(self.norm(x))


def fp8(x, w, s):
    xq = x.to(torch.float8_e4m3fn)  # ~ C048
    return torch._scaled_mm(xq, w, scale_a=s, scale_b=s)  # ~ C048
