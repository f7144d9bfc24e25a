import os
import time
from contextlib import nullcontext

import numpy as np
import torch
from model import GPT
from torch.distributed import destroy_process_group, init_process_group
from torch.nn.parallel import DistributedDataParallel as DDP

backend = "nccl"  # ~ C103
device = "cuda"  # ~ C003|C004|C002
dtype = "bfloat16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "float16"  # ~ C006 C023:light C042?
compile = True

ddp = int(os.environ.get("RANK", -1)) != -1  # ~ none
if ddp:
    init_process_group(backend=backend)  # ~ C103?
    rank = int(os.environ["RANK"])  # ~ none
    local_rank = int(os.environ["LOCAL_RANK"])  # ~ none
    device = f"cuda:{local_rank}"  # ~ C003|C004|C002
    torch.cuda.set_device(device)  # ~ C009
torch.manual_seed(1337)  # ~ none
torch.backends.cuda.matmul.allow_tf32 = True  # ~ C049
torch.backends.cudnn.allow_tf32 = True  # ~ C049
device_type = "cuda" if "cuda" in device else "cpu"  # ~ C012|C005|C003
ptdtype = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[dtype]  # ~ C042?
ctx = nullcontext() if device_type == "cpu" else torch.amp.autocast(device_type=device_type, dtype=ptdtype)  # ~ C039?

data = np.memmap("train.bin", dtype=np.uint16, mode="r")


def get_batch(block, batch):
    ix = torch.randint(len(data) - block, (batch,))  # ~ C031?
    x = torch.stack([torch.from_numpy(data[i:i + block].astype(np.int64)) for i in ix])  # ~ C045?
    y = torch.stack([torch.from_numpy(data[i + 1:i + 1 + block].astype(np.int64)) for i in ix])  # ~ C045?
    if device_type == "cuda":  # ~ C012
        x, y = x.pin_memory().to(device, non_blocking=True), y.pin_memory().to(device, non_blocking=True)  # ~ C033:light C034:light
    else:
        x, y = x.to(device), y.to(device)  # ~ none
    return x, y


model = GPT(cfg).to(device)  # ~ none
scaler = torch.cuda.amp.GradScaler(enabled=(dtype == "float16"))  # ~ C040
optimizer = torch.optim.AdamW(model.parameters(), lr=6e-4, fused=True)  # ~ C118
if compile:
    model = torch.compile(model)  # ~ C072
if ddp:
    model = DDP(model, device_ids=[local_rank])  # ~ C107
t0 = time.time()
while True:
    x, y = get_batch(1024, 12)
    with ctx:
        logits, loss = model(x, y)
    scaler.scale(loss).backward()  # ~ C040?
    scaler.unscale_(optimizer)  # ~ C040?
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # ~ C120?
    scaler.step(optimizer)  # ~ C040?
    scaler.update()  # ~ C040?
    optimizer.zero_grad(set_to_none=True)  # ~ none
    lossf = loss.item()  # ~ C077
    print(f"loss {lossf:.4f} in {time.time() - t0:.2f}s")  # ~ none
    if iter_num % 100 == 0 and rank == 0:  # ~ none
        torch.save({"model": model.state_dict(), "it": iter_num}, "ckpt.pt")  # ~ C126
    iter_num += 1  # ~ none
    if iter_num > 5000:  # ~ none
        break
if ddp:
    destroy_process_group()  # ~ none
