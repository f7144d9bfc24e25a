import argparse
import os
import random

import torch
import torch.backends.cudnn as cudnn
import torch.multiprocessing as mp
import torch.nn as nn
import torch.nn.parallel
from torch.cuda.amp import GradScaler, autocast  # ~ C040? C038?
from torch.utils.data import DataLoader, DistributedSampler
from utils.dist import reduce_mean, setup

best_acc1 = 0


def main():
    args = argparse.Namespace(seed=None, gpu=None, multiprocessing_distributed=True)
    if args.seed is not None:
        random.seed(args.seed)  # ~ none
        torch.manual_seed(args.seed)  # ~ none
        cudnn.deterministic = True  # ~ C051
        cudnn.benchmark = False  # ~ C050
    if torch.cuda.is_available():  # ~ C006
        ngpus_per_node = torch.cuda.device_count()  # ~ C007:light
    else:
        ngpus_per_node = 1
    args.world_size = ngpus_per_node * int(os.environ.get("WORLD_SIZE", 1))
    mp.spawn(worker, nprocs=ngpus_per_node, args=(args,))  # ~ none


def worker(gpu, args):
    setup(gpu)
    model = nn.SyncBatchNorm.convert_sync_batchnorm(build())  # ~ C117
    torch.cuda.set_device(gpu)  # ~ C009
    model.cuda(gpu)  # ~ C001
    model = nn.parallel.DistributedDataParallel(model, device_ids=[gpu], output_device=gpu)  # ~ C107
    criterion = nn.CrossEntropyLoss().cuda(gpu)  # ~ C001
    scaler = GradScaler()  # ~ C040
    if os.path.isfile(args.resume):
        loc = f"cuda:{gpu}"  # ~ C003|C004|C002
        ckpt = torch.load(args.resume, map_location=loc)  # ~ none
        best = ckpt["best_acc1"].to(gpu)  # ~ C139
    loader = DataLoader(dataset, batch_size=256, shuffle=False, num_workers=8, pin_memory=True,  # ~ C035 C033 C036?
                        sampler=DistributedSampler(dataset))
    val_loader = DataLoader(val, batch_size=256, num_workers=8, pin_memory=True, drop_last=True)  # ~ C035 C033
    for epoch in range(90):
        train(loader, model, criterion, scaler, gpu)
        acc = validate(val_loader, model, gpu)
        if acc > best:  # ~ none
            torch.save(model.module.state_dict(), "best.pth.tar")  # ~ C126


def train(loader, model, criterion, scaler, gpu):
    for i, (images, target) in enumerate(loader):
        images = images.cuda(gpu, non_blocking=True)  # ~ C001 C034
        target = target.cuda(gpu, non_blocking=True)  # ~ C001 C034
        with autocast():  # ~ C038
            output = model(images)
            loss = criterion(output, target)
        scaler.scale(loss).backward()  # ~ C040?
        acc1 = accuracy(output, target)
        losses.update(loss.item(), images.size(0))  # ~ C077
        if i % 10 == 0:  # ~ none
            print(f"step {i} loss {losses.avg}")  # ~ none


def accuracy(output, target, topk=(1, 5)):
    with torch.no_grad():
        _, pred = output.topk(max(topk), 1, True, True)  # ~ none
        correct = pred.t().eq(target.view(1, -1))
        return [correct[:k].reshape(-1).float().sum(0, keepdim=True) for k in topk]  # ~ none


def validate(loader, model, gpu):
    total = torch.tensor([0, 0], dtype=torch.int64, device=f"cuda:{gpu}")  # ~ C003 C045
    for images, target in loader:
        images = images.to(f"cuda:{gpu}")  # ~ C002
        total[0] += (model(images).argmax(1).cpu() == target).sum()  # ~ C088?
        total[1] += target.numel()  # ~ C088?
    return float(reduce_mean(total)[0])  # ~ C077
