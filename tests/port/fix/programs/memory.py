"""Counters of memory."""

import torch

print(
    torch.cuda.memory_allocated() / 2**20,
    torch.cuda.max_memory_allocated(device=0),
    torch.cuda.memory_reserved(0),
)
torch.cuda.reset_peak_memory_stats()
torch.cuda.reset_peak_memory_stats(0)
torch.cuda.reset_max_memory_allocated()
free, total = torch.cuda.mem_get_info()
print(free, total)
torch.cuda.memory_stats()
print(torch.cuda.memory_summary(abbreviated=True))
torch.cuda.set_per_process_memory_fraction(0.5, 0)
print(
    torch.cuda.get_device_properties(0).total_memory,
    torch.cuda.get_device_name(),
    torch.cuda.get_device_capability(),
)
