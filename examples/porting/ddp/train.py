"""Data parallel training: torchrun --nproc_per_node=2 train.py"""

import argparse
import os

import torch
import torch.distributed as dist
import torch.nn as nn
from torch.nn.parallel import DistributedDataParallel as DDP
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dist-backend", default="nccl", help="how the ranks talk")
    parser.add_argument("--epochs", type=int, default=2)
    return parser.parse_args([])


def build_loader(seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(64, 8, generator=generator)
    targets = inputs.sum(1, keepdim=True).sin()
    data = TensorDataset(inputs, targets)
    sampler = DistributedSampler(data, shuffle=True, seed=seed)
    return sampler, DataLoader(data, batch_size=8, sampler=sampler, pin_memory=True)


def main():
    args = parse()
    local_rank = int(os.environ["LOCAL_RANK"])
    dist.init_process_group(backend=args.dist_backend)
    torch.cuda.set_device(local_rank)
    device = torch.device(f"cuda:{local_rank}")
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1)).to(device)
    model = DDP(model, device_ids=[local_rank], output_device=local_rank)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    sampler, loader = build_loader()
    losses = []
    for epoch in range(args.epochs):
        sampler.set_epoch(epoch)
        for x, y in loader:
            # each rank sees its own part of the batch
            x, y = x.cuda(local_rank, non_blocking=True), y.cuda(local_rank, non_blocking=True)
            loss = nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            mean = loss.detach().clone()
            dist.all_reduce(mean)
            losses.append(mean.item() / dist.get_world_size())
    torch.cuda.synchronize()
    if dist.get_rank() == 0:
        for step, value in enumerate(losses):
            print(f"step {step}: loss {value:.6f}")
    dist.destroy_process_group()
    return losses


if __name__ == "__main__":
    losses = main()
