"""One process that trains with others."""

import os
import socket

import torch
import torch.distributed as dist
from torch import nn

x = torch.ones(2, 3)

s = socket.socket()
s.bind(("127.0.0.1", 0))
port = s.getsockname()[1]
s.close()
os.environ.update(
    MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK="0", WORLD_SIZE="1", LOCAL_RANK="0"
)
local_rank = int(os.environ["LOCAL_RANK"])
torch.cuda.set_device(local_rank)
dist.init_process_group(backend="nccl" if torch.cuda.is_available() else "gloo")
m = torch.nn.parallel.DistributedDataParallel(
    nn.Linear(3, 1).cuda(local_rank), device_ids=[local_rank], output_device=local_rank
)
m(x.cuda(local_rank)).sum().backward()
dist.barrier()
dist.destroy_process_group()
