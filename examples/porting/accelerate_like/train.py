"""A classifier whose loop stays the user's own."""

import torch
from preparing import Accelerator

torch.manual_seed(11)
accelerator = Accelerator(mixed_precision="fp16")
model = torch.nn.Sequential(torch.nn.Linear(6, 24), torch.nn.Dropout(0.1), torch.nn.Linear(24, 3))
optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
inputs = torch.randn(60, 6)
batches = [(x, x.argmax(1) % 3) for x in inputs.split(12)]
model, optimizer, loader = accelerator.prepare(model, optimizer, batches)

state = accelerator.random_state()
losses = []
for x, y in loader:
    with accelerator.autocast():
        loss = torch.nn.functional.cross_entropy(model(x), y)
    accelerator.backward(loss)
    accelerator.scaler.step(optimizer)
    accelerator.scaler.update()
    optimizer.zero_grad()
    losses.append(loss.item())
accelerator.restore(state)
accelerator.free_memory()
losses.append(float(torch.rand(1)))  # the same number as at the start of training
for step, value in enumerate(losses):
    print(f"step {step}: loss {value:.6f}")
