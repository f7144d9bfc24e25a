import torch
import torch.distributed as dist
from torch.distributed.fsdp import FullyShardedDataParallel

TP_SIZE = 8


class ColumnParallel(torch.nn.Module):
    def __init__(self, cfg, tp_size):
        super().__init__()
        self.heads_local = cfg.num_heads // tp_size  # ~ C110
        self.kv_local = cfg.num_key_value_heads // tp_size  # ~ C110
        self.weight = torch.nn.Parameter(torch.empty(4, 4, device=torch.cuda.current_device()))  # ~ C008

    def forward(self, x):
        y = x @ self.weight.t()
        handle = dist.all_reduce(y, group=self.group, async_op=True)  # ~ C113
        handle.wait()  # ~ C113?
        return y


def reduce_grads(params, group):
    for p in params:
        out = torch.empty(p.numel() // dist.get_world_size(), device=p.device)
        dist.reduce_scatter_tensor(out, p.grad.flatten(), group=group)  # ~ C116
        p.grad.copy_(out.view_as(p))  # ~ C088?


def dispatch(tokens, splits):
    out = torch.empty_like(tokens)
    dist.all_to_all_single(out, tokens, output_split_sizes=splits, input_split_sizes=splits)  # ~ C115
    chunks = list(tokens.chunk(8))
    dist.all_to_all(chunks, chunks)  # ~ C115
    return out


def pipeline(act, prev, nxt):
    req = dist.isend(act, dst=nxt)  # ~ C114
    dist.irecv(act, src=prev).wait()  # ~ C114
    ops = [dist.P2POp(dist.isend, act, nxt)]  # ~ C114
    for w in dist.batch_isend_irecv(ops):  # ~ C114
        w.wait()
    dist.send(act, nxt)  # ~ C114
    req.wait()


def sync_counts(n_tokens):
    t = torch.tensor([n_tokens], dtype=torch.long, device="cuda")  # ~ C003 C045
    dist.all_reduce(t)  # ~ C091
    torch.distributed.barrier()  # ~ C112
    return int(t)  # ~ C077


def init(args):
    dist.init_process_group(backend=args.backend, rank=args.rank, world_size=args.world)  # ~ none
    group = dist.new_group(range(4), backend="nccl")  # ~ C103
    dist.init_process_group(backend="gloo")  # ~ none
    dist.init_process_group("cuda:nccl,cpu:gloo")  # ~ C103
    if args.local_rank == 0:  # ~ none
        print("ready")  # ~ none
    model = torch.nn.DataParallel(build())  # ~ C108
    big = FullyShardedDataParallel(build(), device_id=torch.cuda.current_device())  # ~ C109 C008
    objs = [None]
    dist.gather_object({"a": 1}, objs if args.rank == 0 else None)  # ~ C111
    dist.scatter_object_list(objs, objs)  # ~ C111
    return model, big, group


def int_stuff(q, a, b):
    low = q & 0xF  # ~ C093?
    high = (q >> 4) & 0xF  # ~ C093
    up = torch.bitwise_left_shift(q, 4)  # ~ C093
    dot = torch._int_mm(a, b)  # ~ C091
    prod = a.to(torch.int32) @ b.to(torch.int32)  # ~ C091
    mb = 1 << 20  # ~ none
    return low, high, up, dot, prod, mb
