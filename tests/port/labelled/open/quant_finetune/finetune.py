import bitsandbytes as bnb  # ~ C064
import deepspeed  # ~ C066
import torch
from accelerate import Accelerator, cpu_offload  # ~ C129?
from torch.distributed.fsdp import (
    CPUOffload,
    fully_shard,  # ~ C109?
)
from torch.distributed.fsdp import FullyShardedDataParallel as FSDP  # ~ C109?
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, TrainingArguments

bnb_config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=torch.bfloat16)  # ~ C064
model = AutoModelForCausalLM.from_pretrained("m/x", quantization_config=bnb_config, device_map={"": 0})  # ~ C128 C064?
int8 = AutoModelForCausalLM.from_pretrained("m/x", load_in_8bit=True)  # ~ C064
opt = bnb.optim.AdamW8bit(model.parameters(), lr=1e-4)  # ~ C065
opt2 = bnb.optim.PagedAdamW(model.parameters())  # ~ C065
fc = bnb.nn.Linear4bit(10, 10)  # ~ C064
model.gradient_checkpointing_enable()  # ~ C121

args = TrainingArguments(
    output_dir="out",
    fp16=True,  # ~ C147
    optim="paged_adamw_8bit",  # ~ C065
    tf32=True,  # ~ C145
    torch_compile=True,  # ~ C072
    deepspeed="configs/zero3.json",  # ~ C066
    ddp_backend="nccl",  # ~ C103
    dataloader_pin_memory=True,  # ~ C033
    dataloader_num_workers=4,  # ~ C035
    logging_steps=10,  # ~ none
)
engine, optimizer, _, _ = deepspeed.initialize(model=model, config="configs/zero3.json")  # ~ C066
sharded = FSDP(model, cpu_offload=CPUOffload(offload_params=True))  # ~ C109 C129
fully_shard(model.layers[0])  # ~ C109
cpu_offload(model, execution_device=0)  # ~ C129

big = model.to(torch.bfloat16)  # ~ C043
plain = torch.optim.AdamW(big.parameters(), lr=3e-4)  # ~ C043?
loader = DataLoader(ds, batch_size=8, shuffle=True)  # ~ C036
exact = DataLoader(ds, batch_size=8, shuffle=True, drop_last=True)  # ~ none
with torch.autocast(device_type="cpu", dtype=torch.bfloat16):  # ~ none
    pass
accelerator = Accelerator(mixed_precision="fp16")  # ~ C147
bf = Accelerator(mixed_precision="bf16")  # ~ none
adam = torch.optim.Adam(model.parameters(), capturable=True)  # ~ C119
sgd = torch.optim.SGD(model.parameters(), lr=0.1, foreach=True)  # ~ C119|C142
