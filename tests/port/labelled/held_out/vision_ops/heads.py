import torch
from torch_sparse import SparseTensor  # ~ C099
import torch.nn.functional as F
from torch import nn
from torchvision import ops


def refine(boxes, scores, mask, labels):
    kept = boxes[mask]  # ~ C082
    pos = torch.masked_select(scores, mask)  # ~ C082
    yx = torch.where(mask)  # ~ C081
    nz = mask.nonzero()  # ~ C081
    i = ops.nms(boxes, scores, 0.5)  # ~ C097
    f = ops.roi_align(boxes, [kept], (7, 7))  # ~ C097
    u, inv = labels.unique(return_inverse=True)  # ~ C083
    b = labels.bincount(minlength=10)  # ~ C083
    one = torch.nn.functional.one_hot(labels, 21)  # ~ none
    hot = F.one_hot(labels.long())  # ~ C083 C045
    srt = labels.long().sort()  # ~ C092 C045
    tk = scores.topk(10)  # ~ none
    acc = torch.zeros(10).scatter_add_(0, labels, scores)  # ~ C090 C088?
    idx = acc.index_add(0, labels, scores)  # ~ C090
    warp = F.grid_sample(boxes, mask, mode="bilinear")  # ~ C096
    sp = torch.sparse_csr_tensor(i, i, scores)  # ~ C099
    st = boxes.as_strided((2, 2), (1, 1))  # ~ C089
    w, vec = torch.linalg.eigh(boxes)  # ~ C098
    ch = torch.linalg.cholesky(boxes)  # ~ C098
    pool = nn.MaxPool2d(kernel_size=3, dilation=3)  # ~ C094
    if mask.sum() == 0:  # ~ C080
        return boxes
    if mask.shape[0] == 0:  # ~ none
        return boxes
    boxes.register_hook(print)  # ~ C122
    return (kept, pos, yx, nz, i, f, u, inv, b, one, hot, srt, tk, acc, idx, warp, sp, st, w, vec, ch, pool)


class STE(torch.autograd.Function):  # ~ C123
    @staticmethod
    def forward(ctx, x):
        return _C.ste_forward(x)  # ~ C123?

    @staticmethod
    def backward(ctx, g):
        return torch.ops.det.ste_backward(g)  # ~ C062


class Anneal(nn.Module):
    def forward(self, recon, kl, step):
        beta = min(1.0, step / 1000)
        return recon + beta * kl  # ~ C124
