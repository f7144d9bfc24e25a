"""What the device has left, and what a step took."""
import gc
import logging

import torch
from torch.cuda import max_memory_allocated, memory_allocated, reset_peak_memory_stats
from torch.cuda import mem_get_info as free_and_total

log = logging.getLogger(__name__)
GB = 1 << 30


class MemoryLog:
    def __init__(self):
        self.rows = []

    def __enter__(self):
        gc.collect()  # ~ none
        torch.cuda.empty_cache()  # ~ C017
        reset_peak_memory_stats()  # ~ C018
        self.start = memory_allocated()  # ~ C018
        return self

    def __exit__(self, *_):
        peak = max_memory_allocated() - self.start  # ~ C018
        self.rows.append(peak / GB)  # ~ none
        log.info("reserved %d", torch.cuda.memory_reserved(0))  # ~ C018
        log.info("stats %s", torch.cuda.memory_stats()["num_ooms"])  # ~ C018
        log.debug(torch.cuda.memory_summary(abbreviated=True))  # ~ C020
        torch.cuda.reset_max_memory_allocated()  # ~ C018


def blocks_for(config, block_bytes):
    free, total = free_and_total()  # ~ C019
    return int(free * config.share) // block_bytes  # ~ none


def batch_that_fits(sample_bytes):
    free, _ = torch.cuda.mem_get_info("cuda:0")  # ~ C019 C003?
    total = torch.cuda.get_device_properties(0).total_memory  # ~ C021|C019
    return max(1, free // sample_bytes), total


def snapshot(path):
    torch.cuda.memory._record_memory_history(max_entries=100_000)  # ~ C020
    torch.cuda.memory._dump_snapshot(path)  # ~ C020
    torch.cuda.memory._record_memory_history(enabled=None)  # ~ C020
    return torch.cuda.memory_snapshot()  # ~ C020


def limit(share):
    torch.cuda.set_per_process_memory_fraction(share)  # ~ C018|C019|C138
    torch.cuda.memory.empty_cache()  # ~ C017
    return torch.cuda.memory.memory_allocated()  # ~ C018


def host_memory():
    import psutil

    return psutil.virtual_memory().available  # ~ none


def offloaded(model, pipe, hook):
    from accelerate import cpu_offload, disk_offload

    cpu_offload(model, execution_device=0)  # ~ C129
    disk_offload(model, "offload")  # ~ C129
    pipe.enable_model_cpu_offload()  # ~ C129
    pipe.enable_sequential_cpu_offload()  # ~ C129
    with torch.autograd.graph.save_on_cpu(pin_memory=True):  # ~ C129 C033
        loss = model.loss()
    return loss


class memory:
    """A cache of its own: nothing of torch."""

    def empty_cache(self):
        self.items = {}  # ~ none

    def memory_allocated(self):
        return sum(map(len, self.items))  # ~ none


def use_own():
    own = memory()
    own.empty_cache()  # ~ none
    return own.memory_allocated()  # ~ none


def as_text():
    return "torch.cuda.empty_cache() was called"  # ~ none
