import torch
import torch.distributed as dist
from torch.nn.parameter import Parameter


class _Reduce(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        dist.all_reduce(x)  # ~ none
        return x  # ~ none

    @staticmethod
    def backward(ctx, g):
        return g  # ~ none


class VocabParallelEmbedding(torch.nn.Module):
    def __init__(self, n, d):
        super().__init__()
        self.weight = Parameter(torch.empty(n, d, device=torch.cuda.current_device(), dtype=torch.half))  # ~ C008 C042

    def forward(self, input_):
        input_mask = (input_ < self.start) | (input_ >= self.end)
        masked_input = input_.clone() - self.start
        masked_input[input_mask] = 0  # ~ C088
        out = torch.nn.functional.embedding(masked_input, self.weight)
        out[input_mask, :] = 0.0  # ~ C088
        return _Reduce.apply(out)


def moe_dispatch(hidden, indices, n):
    flat = indices.view(-1)
    tokens_per_expert = torch.bincount(flat, minlength=n)  # ~ C083
    order = torch.argsort(flat)  # ~ C148
    permuted = hidden.index_select(0, order)  # ~ none
    send = tokens_per_expert.cpu().tolist()  # ~ C078
    out = torch.empty_like(permuted)
    dist.all_to_all_single(out, permuted, input_split_sizes=send)  # ~ C115
    for i, count in enumerate(send):  # ~ none
        if count == 0:  # ~ none
            continue
    return out


def send_forward(t, rank):
    ops = [torch.distributed.P2POp(torch.distributed.isend, t, rank)]  # ~ C114
    for req in torch.distributed.batch_isend_irecv(ops):  # ~ C114
        req.wait()
    torch.cuda.synchronize()  # ~ C016


def checkpointed(layer, x):
    return torch.utils.checkpoint.checkpoint(layer, x)  # ~ C121


def save(model, path, rank):
    if rank == 0:  # ~ none
        torch.save({"model": model.state_dict(), "rng": torch.cuda.get_rng_state()}, path)  # ~ C126 C029
    dist.barrier()  # ~ C112
