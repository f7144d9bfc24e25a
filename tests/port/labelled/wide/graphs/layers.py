"""Message passing and other work with indices and integers."""
import torch
import torch.distributed as dist
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.nn import GCNConv  # ~ C099
from torch_scatter import scatter_mean  # ~ C099


class Layer(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.conv = GCNConv(n, n)  # ~ C099
        self.position = nn.Embedding(2048, n)

    def forward(self, x: Tensor, index: Tensor, ids: torch.LongTensor):
        out = torch.zeros_like(x)
        out = out.scatter_add(0, index, x)  # ~ C090
        out.scatter_add_(0, index, x)  # ~ C090 C088?
        out.index_add_(0, index, x)  # ~ C090 C088?
        out = torch.index_add(out, 0, index, x)  # ~ C090
        out = out.scatter_reduce(0, index, x, reduce="sum")  # ~ C090
        out.index_put_((index,), x, accumulate=True)  # ~ C090 C088?
        mean = scatter_mean(x, index)  # ~ C099
        got = out.gather(0, index)  # ~ none
        sel = out.index_select(0, index)  # ~ none
        m = ids @ ids.T  # ~ C091
        order = ids.argsort()  # ~ C092
        ranked, _ = torch.sort(ids)  # ~ C092
        best = ids.topk(4)  # ~ C092
        top = x.topk(4)  # ~ none
        low = ids >> 4  # ~ C093
        high = (ids << 4) & 0xFF  # ~ C093
        packed = torch.bitwise_left_shift(ids, 2)  # ~ C093
        adj = torch.sparse_coo_tensor(index, x, (4, 4))  # ~ C099
        y = torch.sparse.mm(adj, x)  # ~ C099
        z = adj.to_dense()  # ~ none C099?
        csr = x.to_sparse_csr()  # ~ C099
        pos = self.position(torch.arange(x.size(1)))  # ~ C095
        return mean, got, sel, m, order, ranked, best, top, low, high, packed, y, z, csr, pos


def whiten(c):
    u, s, v = torch.linalg.svd(c)  # ~ C098
    w = torch.linalg.eigh(c)  # ~ C098
    i = torch.linalg.inv(c)  # ~ C098
    ch = torch.linalg.cholesky(c)  # ~ C098
    qr = torch.linalg.qr(c)  # ~ C098
    so = torch.linalg.solve(c, c)  # ~ C098
    pi = torch.pinverse(c)  # ~ C098
    n = torch.linalg.norm(c)  # ~ none
    tr = torch.trace(c)  # ~ none
    return u, s, v, w, i, ch, qr, so, pi, n, tr


def nucleus(logits, p):
    probs, idx = torch.sort(logits.softmax(-1), descending=True)  # ~ C148 C101?
    cut = probs.cumsum(-1) > p
    probs = probs.masked_fill(cut, 0)  # ~ none
    pick = torch.multinomial(probs, 1)  # ~ C101
    return idx.gather(-1, pick)  # ~ none


def losses(log_probs, targets, a, b):
    ctc = F.ctc_loss(log_probs, targets, a, b)  # ~ C102
    ce = F.cross_entropy(log_probs, targets)  # ~ none
    return ctc + ce  # ~ none


def integers(ids: Tensor, vocab: int):
    ids = ids.to(torch.int64)  # ~ C045
    more = torch.arange(10, dtype=torch.long)  # ~ C045
    flat = ids * 1_000_003  # ~ C141
    hashed = (ids * vocab + more) % 2048  # ~ C141
    out = ids.long()  # ~ C045
    full = torch.full((2,), 3, dtype=torch.int64)  # ~ C045
    small = ids.int()  # ~ none
    labels = torch.tensor([1, 2], dtype=torch.long)  # ~ C045
    dist.all_reduce(labels)  # ~ C091
    return flat, hashed, out, full, small


def counts(rows):
    n = len(rows) * 1_000_003  # ~ none
    bits = n >> 3  # ~ none
    out = sorted(rows)  # ~ none
    return n, bits, out


def doubles(x):
    a = torch.zeros(3, dtype=torch.double)  # ~ C044
    b = torch.tensor(1.0, dtype=torch.float64)  # ~ C044
    c = x.to(dtype=torch.float64)  # ~ C044
    torch.set_default_dtype(torch.float64)  # ~ C044
    d = torch.linspace(0, 1, 5, dtype=torch.float64)  # ~ C044
    e = x.float()  # ~ none
    half = x // 2  # ~ none
    return a, b, c, d, e, half
