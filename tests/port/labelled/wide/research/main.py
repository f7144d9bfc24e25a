"""Pretraining of an image encoder, one process per GPU."""
import argparse
import math
import os
import time

import torch
import torch.distributed as dist
import torch.nn as nn
import torch.nn.functional as F
from torch import cuda as tc
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

import torch.backends.cudnn as cudnn

LOCAL = int(os.environ.get("LOCAL_RANK", "0"))  # ~ none
WORLD = int(os.environ.get("WORLD_SIZE", "1"))  # ~ none
os.environ.setdefault("NCCL_ASYNC_ERROR_HANDLING", "1")  # ~ C104
os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # ~ C106
os.environ.update(CUDA_VISIBLE_DEVICES="0,1")  # ~ C105
os.environ["OMP_NUM_THREADS"] = "4"  # ~ none


def parse():
    p = argparse.ArgumentParser()
    p.add_argument("--device", default="cuda:0", help="where to run, cuda or cpu")  # ~ C003
    p.add_argument("--dist-backend", default="nccl", type=str)  # ~ C103
    p.add_argument("--gpu", type=int, default=None)  # ~ none
    p.add_argument("--local_rank", type=int, default=0)  # ~ none
    p.add_argument("--workers", type=int, default=8)  # ~ C035?
    p.add_argument("--no-cuda", action="store_true")  # ~ none
    return p.parse_args()


def seed_all(seed):
    torch.manual_seed(seed)  # ~ none
    tc.manual_seed_all(seed)  # ~ none
    cudnn.deterministic = True  # ~ C051
    cudnn.benchmark = False  # ~ C050
    torch.use_deterministic_algorithms(True, warn_only=True)  # ~ C051
    torch.set_float32_matmul_precision("high")  # ~ C049


def setup(args):
    dist.init_process_group(args.dist_backend, init_method="env://")  # ~ C103?
    args.local_rank = int(os.environ["LOCAL_RANK"])  # ~ none
    tc.set_device(args.local_rank)  # ~ C009
    dist.barrier()  # ~ C112
    use_cuda = not args.no_cuda and tc.is_available()  # ~ C006
    return "cuda" if use_cuda else "cpu"  # ~ C005


class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 16, stride=16)
        self.norm = nn.BatchNorm2d(width)
        self.cudagraph_name = "cuda"  # ~ C003?

    def forward(self, x):
        x = self.stem(x)
        if x.is_cuda:  # ~ C011
            x = x.contiguous(memory_format=torch.channels_last)
        if x.get_device() >= 0:  # ~ C011|C139|C012
            x = x * 1.0
        return self.norm(x)


def reduce_mean(t):
    out = t.clone()
    dist.all_reduce(out, op=dist.ReduceOp.SUM)  # ~ none
    out /= dist.get_world_size()  # ~ C088?
    return out


def gather_names(names):
    every = [None] * dist.get_world_size()
    dist.all_gather_object(every, names)  # ~ C111
    box = [names]
    dist.broadcast_object_list(box, src=0)  # ~ C111
    return every, box[0]


def exchange(t, splits):
    left = dist.isend(t, dst=1)  # ~ C114
    buf = torch.empty_like(t)
    right = dist.irecv(buf, src=1)  # ~ C114
    left.wait()
    right.wait()
    out = torch.empty_like(t)
    dist.all_to_all_single(out, t)  # ~ C115
    work = dist.all_reduce(out, async_op=True)  # ~ C113
    work.wait()
    return out


def train(args):
    device = setup(args)
    rank = dist.get_rank()
    local_rank = rank % tc.device_count()  # ~ C007
    net = Net(768).to(local_rank)  # ~ C139
    net = nn.SyncBatchNorm.convert_sync_batchnorm(net)  # ~ C117
    net = DistributedDataParallel(net, device_ids=[local_rank], output_device=local_rank)  # ~ C107
    single = nn.DataParallel(Net(64))  # ~ C108
    teacher = Net(768).cuda(args.local_rank)  # ~ C001
    probe = Net(8).to(args.local_rank)  # ~ C139
    head = Net(8).to(LOCAL)  # ~ C139
    scale = torch.ones(1, device=LOCAL)  # ~ C139
    bias = torch.zeros(4, device=dist.get_rank())  # ~ C139
    where = torch.device(LOCAL)  # ~ C139
    other = torch.device("cuda", LOCAL)  # ~ C004
    third = torch.device(type="cuda", index=rank % 8)  # ~ C004
    data = load(args)
    sampler = DistributedSampler(data, WORLD, rank)  # ~ none
    loader = DataLoader(data, 64, sampler=sampler, num_workers=args.workers, pin_memory=True, drop_last=True)  # ~ C035 C033
    opt = torch.optim.SGD(net.parameters(), lr=0.1, foreach=True)  # ~ C142|C119
    best = 0.0
    for step, (x, y) in enumerate(loader):
        x = x.cuda(non_blocking=True)  # ~ C001 C034
        y = y.to(device, non_blocking=True)  # ~ C034
        loss = F.cross_entropy(net(x), y)
        opt.zero_grad()
        loss.backward()
        opt.step()
        total = reduce_mean(loss.detach())
        if not math.isfinite(loss.item()):  # ~ C077 C079?
            raise SystemExit(1)
        if step % 50 == 0 and rank == 0:
            tc.synchronize()  # ~ C016
            print(f"{step} {total.item():.3f} {time.time():.1f}")  # ~ C077
            print(tc.get_device_name(local_rank))  # ~ C021
        acc = (net(x).argmax(1) == y).float().mean().cpu().item()  # ~ C077
        best = max(best, acc)
    if rank == 0:
        torch.save(net.module.state_dict(), "last.pth")  # ~ C126
    state = torch.load("last.pth")  # ~ C125
    state = torch.load("last.pth", map_location=f"cuda:{local_rank}")  # ~ C003|C125|C002
    state = torch.load("last.pth", map_location={"cuda:0": f"cuda:{rank}"})  # ~ C003|C125
    state = torch.load("last.pth", map_location="cpu")  # ~ none
    net.load_state_dict(state)
    dist.destroy_process_group()  # ~ none


if __name__ == "__main__":
    args = parse()
    seed_all(3)
    if not torch.cuda.is_available():  # ~ C143|C006
        raise RuntimeError("CUDA is required")
    train(args)
