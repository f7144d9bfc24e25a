"""Helpers over torch.distributed; init with nccl on machines with GPUs."""  # ~ none
import os

import torch
import torch.distributed as dist


def setup(rank, backend="nccl"):  # ~ C103
    os.environ.setdefault("NCCL_DEBUG", "WARN")  # ~ C104
    os.environ["MASTER_ADDR"] = "127.0.0.1"  # ~ none
    dist.init_process_group(backend, init_method="env://")  # ~ C103?
    dist.barrier()  # ~ C112


def reduce_mean(t):
    count = torch.tensor([t.shape[0]], dtype=torch.int32, device=t.device)
    dist.all_reduce(count)  # ~ C091
    t = t.float()
    dist.all_reduce(t, op=dist.ReduceOp.SUM)  # ~ none
    return t / dist.get_world_size()


def gather_names(names):
    out = [None] * dist.get_world_size()
    dist.all_gather_object(out, names)  # ~ C111
    flag = [names]
    dist.broadcast_object_list(flag, src=0)  # ~ C111
    return out


def is_main():
    return not dist.is_initialized() or dist.get_rank() == 0  # ~ none


def reduce_async(t):
    work = dist.all_reduce(t, async_op=True)  # ~ C113
    work.wait()  # ~ C113?
    return t
