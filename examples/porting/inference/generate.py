"""Loads a model, runs it over batches while the next one is copied, and takes the time."""

import io

import torch
from torch import cuda as gpu


def checkpoint():
    torch.manual_seed(5)
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.GELU(), torch.nn.Linear(16, 8))
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    return model, file


def load(device="cuda"):
    model, file = checkpoint()
    model.load_state_dict(torch.load(file, weights_only=True))
    return model.eval().to(device)


@torch.inference_mode()
def run(num_batches=4):
    assert gpu.is_available() or True, "a GPU is quicker"
    model = load()
    side = gpu.Stream()
    begin, end = gpu.Event(enable_timing=True), gpu.Event(enable_timing=True)
    scores = []
    total = torch.cuda.FloatTensor(1).zero_()
    begin.record()
    for number in range(num_batches):
        x = torch.arange(16.0).view(2, 8) * (number + 1) / 16
        with gpu.stream(side):
            x = x.pin_memory().cuda(non_blocking=True)
        gpu.current_stream().wait_stream(side)
        x.record_stream(gpu.current_stream())
        y = model(x)
        total += y.mean()
        scores.append(y.mean().item())
    end.record()
    gpu.synchronize()
    print(
        f"{begin.elapsed_time(end) / num_batches:.2f} ms per batch on {gpu.get_device_name(0)}, "
        f"{gpu.memory_allocated() / 2**20:.1f} MiB, total {total.item():.4f}"
    )
    gpu.empty_cache()
    return scores


losses = run()
for step, value in enumerate(losses):
    print(f"batch {step}: {value:.6f}")
