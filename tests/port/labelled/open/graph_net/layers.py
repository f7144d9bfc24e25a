import torch
from torch import nn
from torch_geometric.nn import GCNConv  # ~ C099
from torch_scatter import scatter_mean  # ~ C099


class Conv(nn.Module):
    def forward(self, x, src, dst, w):
        out = torch.zeros_like(x)
        out.index_add_(0, dst, x[src])  # ~ C090 C088?
        out = out.scatter_add(0, dst[:, None].expand_as(x), x[src])  # ~ C090
        out = torch.scatter_reduce(out, 0, dst[:, None].expand_as(x), x[src], reduce="mean")  # ~ C090
        out.index_put_((dst,), x[src], accumulate=True)  # ~ C090 C088?
        g = out.gather(0, src[:, None].expand_as(x))  # ~ none
        return scatter_mean(g, dst, dim=0)  # ~ C099


def adjacency(idx, val, n):
    a = torch.sparse_coo_tensor(idx, val, (n, n))  # ~ C099
    b = a.to_sparse_csr()  # ~ C099
    y = torch.sparse.mm(a, torch.ones(n, 1))  # ~ C099
    return b, y


def windows(x, k):
    v = x.as_strided((x.size(0) - k, k), (1, 1))  # ~ C089
    u = torch.as_strided(x, (2, 2), (1, 2))  # ~ C089
    w = x.unfold(0, k, 1)  # ~ none
    x.set_(v)  # ~ C089
    seen = set()  # ~ none
    seen.add(3)  # ~ none
    return u, w


def swap(p, q):
    p.data.storage().resize_(0)  # ~ C089
    p.untyped_storage().copy_(q.untyped_storage())  # ~ C089
