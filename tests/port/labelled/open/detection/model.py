import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision
from torchvision.ops import DeformConv2d, nms, roi_align


class SPP(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.pool = nn.MaxPool2d(3, stride=1, padding=2, dilation=2)  # ~ C094
        self.plain = nn.MaxPool2d(5, stride=1, padding=2)  # ~ none
        self.atrous = nn.Conv2d(c, c, 3, padding=2, dilation=2)  # ~ none
        self.up = nn.ConvTranspose2d(c, c, 3, stride=2, dilation=2)  # ~ C094
        self.deform = DeformConv2d(c, c, 3)  # ~ C097
        self.drop = nn.Dropout(0.1)  # ~ C031?

    def forward(self, x, offset):
        y = F.max_pool2d(x, 3, dilation=2)  # ~ C094
        z = F.max_pool2d(x, 3)  # ~ none
        return self.pool(y) + self.deform(x, offset) + z


class Head(nn.Module):
    def forward(self, feats, boxes):
        return roi_align(feats, boxes, output_size=7)  # ~ C097


def postprocess(pred, conf=0.25, iou=0.45):
    scores, labels = pred[:, 4:].max(1)
    keep = scores > conf
    pred = pred[keep]  # ~ C082
    boxes = torch.masked_select(pred, pred > 0)  # ~ C082
    idx = torch.nonzero(keep).squeeze(1)  # ~ C081
    rows, cols = torch.where(pred > 0.5)  # ~ C081
    filled = torch.where(pred > 0.5, pred, 0.0)  # ~ none
    again = torch.argwhere(keep)  # ~ C081
    some = keep.nonzero(as_tuple=True)[0]  # ~ C081
    sel = nms(pred[:, :4], scores, iou)  # ~ C097
    sel2 = torchvision.ops.batched_nms(pred[:, :4], scores, labels, iou)  # ~ C097
    classes = torch.unique(labels)  # ~ C083
    hist = torch.bincount(labels.flatten())  # ~ C083
    oh = F.one_hot(labels)  # ~ C083
    oh80 = F.one_hot(labels, num_classes=80)  # ~ none
    if len(sel) == 0:  # ~ none
        return None
    return boxes, idx, rows, cols, filled, again, some, sel2, classes, hist, oh, oh80


def assign(cost, gt):
    order = gt.long().argsort()  # ~ C092 C045?
    ids = torch.arange(cost.shape[0], dtype=torch.int64)  # ~ C045
    top = torch.topk(ids, 3)  # ~ C092
    best = cost.float().topk(3)  # ~ none
    srt, _ = torch.sort(ids)  # ~ C092
    return order, top, best, srt


def losses(out, target):
    loss = F.cross_entropy(out, target.long())  # ~ C045
    if loss > 100:  # ~ C080
        loss = loss * 0
    if out.shape[0] > 100:  # ~ none
        loss = loss * 2
    if target is None:  # ~ none
        return loss
    return loss


def whiten(x):
    cov = x.T @ x
    u, s, v = torch.linalg.svd(cov)  # ~ C098
    inv = torch.inverse(cov)  # ~ C098
    ev = torch.linalg.eigh(cov)  # ~ C098
    n = torch.linalg.norm(cov)  # ~ none
    n2 = torch.linalg.vector_norm(cov)  # ~ none
    return u, s, v, inv, ev, n, n2


class Ema:
    def __init__(self, model):
        self.shadow = {k: v.clone() for k, v in model.state_dict().items()}  # ~ none

    def apply_hook(self, model):
        model.register_forward_hook(self.save)  # ~ C122
        model.layer.weight.register_hook(lambda g: g * 2)  # ~ C122
        model.register_buffer("mask", torch.zeros(3))  # ~ none
