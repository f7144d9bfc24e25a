"""An object that prepares model, optimizer and data, as the well-known one does."""

from contextlib import contextmanager

import torch


class Accelerator:
    def __init__(self, mixed_precision="no", device=None, fallback="cuda"):
        own = torch.device("cuda", torch.cuda.current_device())
        self.device = own if device is None else device
        self.fallback_device = fallback
        self.mixed_precision = mixed_precision
        self.scaler = torch.amp.GradScaler("cuda", enabled=mixed_precision == "fp16")

    def prepare(self, model, optimizer, loader):
        return model.to(self.device), optimizer, (self._moved(batch) for batch in loader)

    def _moved(self, batch):
        return [part.to(self.device) for part in batch]

    @contextmanager
    def autocast(self):
        dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}.get(self.mixed_precision)
        with torch.autocast(device_type="cuda", dtype=dtype, enabled=dtype is not None):
            yield

    def backward(self, loss):
        self.scaler.scale(loss).backward()

    def random_state(self):
        return {"host": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}

    def restore(self, state):
        torch.set_rng_state(state["host"])
        torch.cuda.set_rng_state_all(state["cuda"])

    def free_memory(self):
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
