import torch
from torch import distributed as D
from torch.distributed import all_to_all_single as a2a
from torch.distributed import barrier, fsdp, irecv, isend


def start(b="nccl", n=None):  # ~ C103
    n = n or torch.cuda.device_count()  # ~ C007
    D.init_process_group(backend=b, world_size=n)  # ~ C103?
    barrier()  # ~ C112
    D.monitored_barrier()  # ~ C112?


def objects(x):
    buf = [None for _ in range(D.get_world_size())]
    D.all_gather_object(buf, x)  # ~ C111
    D.all_gather(buf, x)  # ~ none
    return buf


def moe(x, sizes):
    y = torch.empty_like(x)
    a2a(y, x, sizes, sizes)  # ~ C115
    h = D.all_gather_into_tensor(y, x, async_op=True)  # ~ C113
    D.reduce_scatter(y, list(x.chunk(2)))  # ~ C116?
    return y, h


def pp(x):
    isend(x, 1)  # ~ C114
    irecv(x, 0)  # ~ C114
    D.recv(x, src=0)  # ~ C114


def count(n):
    total = torch.tensor(n, dtype=torch.int64).cuda()  # ~ C001 C045
    D.all_reduce(total)  # ~ C091
    return total.item()  # ~ C077


def wrap(m):
    m = fsdp.FullyShardedDataParallel(m, sharding_strategy=fsdp.ShardingStrategy.FULL_SHARD)  # ~ C109
    p = torch.nn.DataParallel(m, device_ids=[0, 1])  # ~ C108 C107?
    q = fsdp.fully_shard(m)  # ~ C109
    return p, q


class Opt(torch.optim.Optimizer):
    def step(self):
        for group in self.param_groups:  # ~ none
            for p in group["params"]:
                p.data.add_(p.grad, alpha=-group["lr"])  # ~ C088?


def opts(params):
    a = torch.optim.AdamW(params, lr=1e-3, capturable=True)  # ~ C119
    b = torch.optim.AdamW(params, fused=True, betas=(0.9, 0.95))  # ~ C118
    torch.nn.utils.clip_grad_norm_(params, max_norm=1.0, error_if_nonfinite=True)  # ~ C120
    return a, b


def blocks(fn, x, layers):
    from torch.utils import checkpoint as cp

    y = cp.checkpoint(fn, x, use_reentrant=True)  # ~ C121
    z = cp.checkpoint_sequential(layers, 2, x)  # ~ C121
    return y, z
