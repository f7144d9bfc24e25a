"""Trains a small GPT on characters, on one GPU."""

import time
from contextlib import nullcontext

import torch
from model import GPT

# -- settings, one may change them here ------------------------------------------------------------
batch_size = 8
length = 16
max_steps = 6
learning_rate = 3e-3
seed = 1337
device = "cuda"  # examples: 'cpu', 'cuda', 'cuda:0'
dtype = "bfloat16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "float16"
compile = True  # needs PyTorch 2
# --------------------------------------------------------------------------------------------------

torch.manual_seed(seed)
torch.cuda.manual_seed(seed)
torch.backends.cuda.matmul.allow_tf32 = True  # allow tf32 on matmul
torch.backends.cudnn.allow_tf32 = True  # allow tf32 on cudnn
device_type = "cuda" if "cuda" in device else "cpu"  # for later use in torch.autocast
ptdtype = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[dtype]
ctx = (
    nullcontext()
    if device_type == "cpu"
    else torch.amp.autocast(device_type=device_type, dtype=ptdtype)
)

text = "she sells sea shells by the sea shore, the shells she sells are surely sea shells. " * 8
symbols = sorted(set(text))
data = torch.tensor([symbols.index(c) for c in text])


def get_batch():
    starts = torch.randint(len(data) - length - 1, (batch_size,))
    x = torch.stack([data[i : i + length] for i in starts])
    y = torch.stack([data[i + 1 : i + 1 + length] for i in starts])
    if device_type == "cuda":
        # pinned arrays can be moved to the GPU while it computes
        x, y = x.pin_memory(), y.pin_memory()
        x, y = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
    else:
        x, y = x.to(device), y.to(device)
    return x, y


model = GPT(len(symbols), length=length)
model.to(device)
scaler = torch.cuda.amp.GradScaler(enabled=(dtype == "float16"))  # does nothing for bfloat16
optimizer = model.configure_optimizer(learning_rate, device_type)
if compile:
    model = torch.compile(model)

losses = []
torch.cuda.synchronize()
t0 = time.time()
for step in range(max_steps):
    x, y = get_batch()
    with ctx:
        logits, loss = model(x, y)
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    optimizer.zero_grad(set_to_none=True)
    losses.append(loss.item())
    print(f"step {step}: loss {losses[-1]:.4f}")
torch.cuda.synchronize()
print(
    f"{(time.time() - t0) / max_steps * 1e3:.1f} ms per step, "
    f"{torch.cuda.max_memory_allocated() / 1e9:.3f} GB at most"
)
