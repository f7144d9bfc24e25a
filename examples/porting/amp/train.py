"""Mixed precision in the older spelling, with timing by events."""

import torch
import torch.backends.cudnn as cudnn
import torch.nn as nn
from torch.cuda.amp import GradScaler, autocast
from torch.utils.data import DataLoader, TensorDataset

cudnn.benchmark = True  # shapes stay the same
cudnn.deterministic = False
torch.cuda.manual_seed_all(7)
torch.manual_seed(7)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.head = nn.Linear(8, 4)

    @autocast()
    def forward(self, x):
        return self.head(torch.relu(self.conv(x)).mean((2, 3)))


def make_data():
    images = torch.randn(48, 1, 8, 8)
    labels = (images.mean((1, 2, 3)) * 20).long() % 4
    return DataLoader(
        TensorDataset(images, labels),
        batch_size=16,
        pin_memory=True,  # copies overlap
    )


def train(epochs=3):
    model = Net().cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    scaler = GradScaler(init_scale=1024.0)
    start = torch.cuda.Event(enable_timing=True)
    end = torch.cuda.Event(enable_timing=True)
    losses = []
    torch.cuda.reset_peak_memory_stats()
    start.record()
    for _ in range(epochs):
        for images, labels in make_data():
            images = images.cuda(non_blocking=True)
            labels = labels.cuda(non_blocking=True)
            optimizer.zero_grad()
            with autocast(enabled=True, dtype=torch.float16):
                loss = nn.functional.cross_entropy(model(images), labels)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            losses.append(float(loss))
    end.record()
    torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated()
    print(f"{start.elapsed_time(end):.1f} ms, {peak >> 20} MiB at most")
    torch.cuda.empty_cache()
    return losses


losses = train()
for step, value in enumerate(losses):
    print(f"step {step}: loss {value:.6f}")
