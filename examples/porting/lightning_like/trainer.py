"""A trainer that owns the loop, as the well-known one does."""

import torch


class Task(torch.nn.Module):
    """What a user writes: a training step and an optimizer."""

    def training_step(self, batch):
        raise NotImplementedError

    def configure_optimizers(self):
        raise NotImplementedError


class Trainer:
    def __init__(self, max_steps, accelerator="auto", precision="32"):
        if accelerator == "auto":
            accelerator = "gpu" if torch.cuda.is_available() else "cpu"
        self.device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
        self.max_steps = max_steps
        self.precision = precision
        self.history = []

    def fit(self, task, loader):
        task = task.cuda()
        optimizer = task.configure_optimizers()
        batches = iter(loader)
        for _ in range(self.max_steps):
            batch = tuple(part.to("cuda", non_blocking=True) for part in next(batches))
            with torch.autocast("cuda", dtype=torch.bfloat16, enabled=self.precision == "bf16"):
                loss = task.training_step(batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            self.history.append(loss.item())
        torch.cuda.synchronize(self.device)
        return self.history
