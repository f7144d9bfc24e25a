import logging
from contextlib import suppress

import torch
import torch.nn as nn
from torch.nn.parallel import DistributedDataParallel as NativeDDP

try:
    from apex import amp  # ~ C063:light
    from apex.parallel import DistributedDataParallel as ApexDDP  # ~ C063:light
    has_apex = True
except ImportError:
    has_apex = False

has_native_amp = False
try:
    if getattr(torch.cuda.amp, "autocast") is not None:  # ~ C038?
        has_native_amp = True
except AttributeError:
    pass


def main():
    args.prefetcher = not args.no_prefetcher
    args.device = "cuda:0"  # ~ C003
    args.world_size = 1
    if args.distributed:
        args.device = "cuda:%d" % args.local_rank  # ~ C003
        torch.cuda.set_device(args.local_rank)  # ~ C009
        torch.distributed.init_process_group(backend="nccl", init_method="env://")  # ~ C103
        args.world_size = torch.distributed.get_world_size()  # ~ none
    model.cuda()  # ~ C001
    if args.channels_last:
        model = model.to(memory_format=torch.channels_last)  # ~ none
    amp_autocast = suppress  # ~ none
    if use_amp == "native":
        amp_autocast = torch.cuda.amp.autocast  # ~ C038
        loss_scaler = NativeScaler()  # ~ none
    if args.split_bn:
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # ~ C117
    if args.distributed:
        model = NativeDDP(model, device_ids=[args.local_rank], broadcast_buffers=True)  # ~ C107


def train_one_epoch(epoch, model, loader, optimizer, loss_fn, amp_autocast):
    for batch_idx, (input, target) in enumerate(loader):
        if not args.prefetcher:
            input, target = input.cuda(), target.cuda()  # ~ C001
        with amp_autocast():  # ~ none
            output = model(input)
            loss = loss_fn(output, target)
        if not args.distributed:
            losses_m.update(loss.item(), input.size(0))  # ~ C077
        torch.cuda.synchronize()  # ~ C016
        if args.distributed:
            reduced_loss = reduce_tensor(loss.data, args.world_size)
            losses_m.update(reduced_loss.item(), input.size(0))  # ~ C077


def reduce_tensor(tensor, n):
    rt = tensor.clone()
    torch.distributed.all_reduce(rt, op=torch.distributed.ReduceOp.SUM)  # ~ none
    rt /= n  # ~ C088?
    return rt


class PrefetchLoader:
    def __init__(self, loader, mean, fp16=False):
        self.mean = torch.tensor([x * 255 for x in mean]).cuda().view(1, 3, 1, 1)  # ~ C001
        self.fp16 = fp16
        if fp16:
            self.mean = self.mean.half()  # ~ C042

    def __iter__(self):
        stream = torch.cuda.Stream()  # ~ C024
        first = True
        for next_input, next_target in self.loader:
            with torch.cuda.stream(stream):  # ~ C024
                next_input = next_input.cuda(non_blocking=True)  # ~ C001 C034
                next_input = next_input.float().sub_(self.mean)  # ~ C088
            if not first:  # ~ none
                yield input, target
            torch.cuda.current_stream().wait_stream(stream)  # ~ C025
            input, target = next_input, next_target


class DropPath(nn.Module):
    def forward(self, x):
        keep = 1 - self.p
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        random_tensor = x.new_empty(shape).bernoulli_(keep)  # ~ C031 C088?
        if keep > 0.0:  # ~ none
            random_tensor.div_(keep)  # ~ C088
        return x * random_tensor
