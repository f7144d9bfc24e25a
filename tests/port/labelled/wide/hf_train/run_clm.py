#!/usr/bin/env python
"""Fine-tuning of a causal language model with Trainer, quantized or not."""
import os
from dataclasses import dataclass, field

import bitsandbytes as bnb  # ~ C064
import deepspeed  # ~ C066
import pynvml  # ~ C132
import torch
import transformer_engine.pytorch as te  # ~ C067
from apex.normalization import FusedLayerNorm  # ~ C063
from apex.optimizers import FusedAdam, FusedLAMB  # ~ C063
from awq import AutoAWQForCausalLM  # ~ C069
from cut_cross_entropy import linear_cross_entropy  # ~ C068
from deepspeed.ops.adam import DeepSpeedCPUAdam  # ~ C066
from liger_kernel.transformers import apply_liger_kernel_to_llama  # ~ C068
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, GPTQConfig, Trainer, TrainingArguments
from cuda import cudart  # ~ C070
from cuda.bindings import runtime  # ~ C070
import cupy as cp  # ~ C070
import numba
from numba import cuda as ncuda  # ~ C070
import pycuda.driver as drv  # ~ C070
import tensorrt as trt  # ~ C071
import torch_tensorrt  # ~ C071
import numpy as np


@dataclass
class Args:
    attn: str = field(default="flash_attention_2")  # ~ C056
    fp16: bool = True  # ~ C042?
    bf16: bool = False  # ~ none
    optim: str = "paged_adamw_8bit"  # ~ C065
    deepspeed: str = "ds.json"  # ~ C066?


QUANT = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=torch.float16)  # ~ C064 C042
QUANT2 = BitsAndBytesConfig(load_in_8bit=True)  # ~ C064


def load(name, args):
    model = AutoModelForCausalLM.from_pretrained(
        name,
        quantization_config=QUANT,  # ~ none C064?
        device_map="auto",  # ~ C128
        torch_dtype=torch.float16,  # ~ C042
        attn_implementation="flash_attention_2",  # ~ C056
    )
    small = AutoModelForCausalLM.from_pretrained(name, load_in_8bit=True, device_map="balanced")  # ~ C064 C128
    one = AutoModelForCausalLM.from_pretrained(name, device_map={"": 0})  # ~ C128|C139
    two = AutoModelForCausalLM.from_pretrained(name, device_map="cuda")  # ~ C003|C128
    three = AutoModelForCausalLM.from_pretrained(name, device_map="cpu")  # ~ none
    gptq = AutoModelForCausalLM.from_pretrained(name, quantization_config=GPTQConfig(bits=4))  # ~ C069
    awq = AutoAWQForCausalLM.from_quantized(name, fuse_layers=True)  # ~ C069
    model = prepare_model_for_kbit_training(model)  # ~ none C064?
    model.gradient_checkpointing_enable()  # ~ C121
    apply_liger_kernel_to_llama()  # ~ C068
    return model, small, one, two, three, gptq, awq


def optimisers(params):
    a = torch.optim.AdamW(params, lr=1e-4, fused=True)  # ~ C118
    b = torch.optim.Adam(params, capturable=True)  # ~ C119
    c = torch.optim.SGD(params, lr=1, foreach=True)  # ~ C142|C119
    d = bnb.optim.AdamW8bit(params)  # ~ C065
    e = bnb.optim.PagedAdamW(params)  # ~ C065
    f = FusedAdam(params)  # ~ C063
    g = FusedLAMB(params)  # ~ C063
    h = DeepSpeedCPUAdam(params)  # ~ C066
    i = torch.optim.AdamW(params, fused=False)  # ~ none
    j = torch.optim.AdamW(params, lr=1e-3, fused=torch.cuda.is_available())  # ~ C118|C006
    k = torch.optim.Adam(params, fused=True, capturable=True)  # ~ C118 C119
    use_fused = True
    extra = dict(fused=True)  # ~ C118
    extra2 = {"fused": True}  # ~ C118
    l = torch.optim.AdamW(params, **extra)  # ~ none
    m = torch.optim.AdamW(params, fused=use_fused)  # ~ C118
    n = torch.optim.NAdam(params, foreach=False)  # ~ none
    o = torch.optim.RAdam(params, capturable=False)  # ~ none
    q = torch.optim.Adagrad(params, fused=True)  # ~ C118
    return a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, q, extra2


def clip(model, scaler, opt):
    total = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # ~ C120
    if total > 10:  # ~ C080|C120
        return 0.0
    torch.nn.utils.clip_grad_value_(model.parameters(), 1.0)  # ~ none
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item()  # ~ C120 C077
    gn = model.clip_grad_norm_(1.0)  # ~ C120
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, error_if_nonfinite=True)  # ~ C120
    print(float(gn))  # ~ C077
    return norm


def checkpoints(model, opt, path, device):
    torch.save(model.state_dict(), path)  # ~ C126
    torch.save({"model": model.state_dict(), "opt": opt.state_dict()}, path)  # ~ C126
    torch.save({k: v.cpu() for k, v in model.state_dict().items()}, path)  # ~ none
    torch.save(model, path)  # ~ C126
    torch.save(opt.state_dict(), path + ".opt")  # ~ C126
    torch.save(vars(path), "args.bin")  # ~ none
    a = torch.load(path)  # ~ C125
    b = torch.load(path, weights_only=True)  # ~ C125
    c = torch.load(path, map_location=device)  # ~ none
    d = torch.load(path, map_location="cpu", weights_only=True)  # ~ none
    e = torch.load(path, "cpu")  # ~ none
    f = torch.load(open(path, "rb"))  # ~ C125
    g = torch.load(path, map_location=None)  # ~ C125
    h = torch.load(path, map_location=lambda s, loc: s)  # ~ none
    k = torch.load(path, map_location=lambda s, loc: s.cuda(0))  # ~ C001|C125
    m = torch.load(path, map_location=torch.device("cuda"))  # ~ C004
    model.load_state_dict(torch.load(path, weights_only=False)["model"])  # ~ C125
    model.load_state_dict(torch.load(os.path.join(path, "x.bin")))  # ~ C125
    n = torch.hub.load_state_dict_from_url(path)  # ~ C125
    o = np.load(path)  # ~ none
    return a, b, c, d, e, f, g, h, k, m, n, o


def place(model, hooks):
    from accelerate import dispatch_model, infer_auto_device_map, load_checkpoint_and_dispatch

    dm = infer_auto_device_map(model, max_memory={0: "10GiB", "cpu": "30GiB"})  # ~ C128
    model = dispatch_model(model, device_map=dm)  # ~ C128
    model = load_checkpoint_and_dispatch(model, "x", device_map="auto")  # ~ C128
    return model


def convert_llama_to_megatron(state):  # ~ C127
    return {k: v for k, v in state.items()}


def convert_hf_checkpoint(path):  # ~ C127
    return path


def convert_units(x):  # ~ none
    return x * 2.54


ARGS = TrainingArguments(
    output_dir="out",
    fp16=True,  # ~ C147
    tf32=True,  # ~ C145
    optim="adamw_torch_fused",  # ~ C118
    gradient_checkpointing=True,  # ~ C121
    deepspeed="zero3.json",  # ~ C066
    dataloader_num_workers=4,  # ~ C035
    dataloader_pin_memory=True,  # ~ C033
    torch_compile=True,  # ~ C072
    ddp_backend="nccl",  # ~ C103
    fsdp="full_shard auto_wrap",  # ~ C109
    use_liger_kernel=True,  # ~ C068
    half_precision_backend="apex",  # ~ C063
    report_to="none",  # ~ none
)
ARGS2 = TrainingArguments("out", optim="adamw_bnb_8bit", bf16=True, fsdp="")  # ~ C065 C146
ARGS3 = TrainingArguments("out", optim="paged_adamw_32bit", no_cuda=False)  # ~ C065
ARGS4 = TrainingArguments("out", fp16_full_eval=True, dataloader_drop_last=False)  # ~ C042 C036
ARGS5 = TrainingArguments("out", optim="adamw_torch", bf16=True, fp16=False)  # ~ C146
ARGS6 = TrainingArguments("out", optim="adamw_apex_fused")  # ~ C063|C118


@ncuda.jit  # ~ C070
def add(a, b):
    i = ncuda.grid(1)  # ~ C070?
    a[i] += b[i]  # ~ none


@numba.njit
def host_add(a, b):
    return a + b  # ~ none


def arrays(n):
    a = cp.zeros(n)  # ~ C070
    b = np.zeros(n)  # ~ none
    ctx = drv.Device(0).make_context()  # ~ C070
    err, = cudart.cudaSetDevice(0)  # ~ C070
    return a, b, ctx, err, runtime.cudaGetDevice()  # ~ C070


def layers(n, model):
    lin = te.Linear(n, n)  # ~ C067
    norm = FusedLayerNorm(n)  # ~ C063
    q = bnb.nn.Linear4bit(n, n)  # ~ C064
    with te.fp8_autocast(enabled=True):  # ~ C067 C048?
        y = lin(norm(n))
    engine, opt, _, _ = deepspeed.initialize(model=model, config="ds.json")  # ~ C066
    deepspeed.init_distributed()  # ~ C066
    builder = trt.Builder(trt.Logger())  # ~ C071
    fast = torch_tensorrt.compile(model)  # ~ C071
    loss = linear_cross_entropy(n, n, n)  # ~ C068
    return q, y, engine, opt, builder, fast, loss


def watch():
    pynvml.nvmlInit()  # ~ C132
    h = pynvml.nvmlDeviceGetHandleByIndex(0)  # ~ C132
    return pynvml.nvmlDeviceGetUtilizationRates(h)  # ~ C132


def lora():
    return LoraConfig(r=8, target_modules=["q_proj"])  # ~ none
