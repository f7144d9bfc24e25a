"""Speech recognition: features, an encoder, CTC, batching of different lengths."""
from typing import List, Tuple

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchaudio
import torchvision
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from torch.utils.data import DataLoader, Dataset
from torchvision.ops import box_iou, nms, roi_align


class Speech(Dataset):
    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i) -> Tuple[torch.Tensor, torch.Tensor]:
        wave, rate = torchaudio.load(self.rows[i])  # ~ none
        if np.random.rand() < 0.5:  # ~ none
            wave = wave * 0.9
        mask = wave.abs() > 0.01
        wave = wave[mask]  # ~ none C082?
        return wave, torch.tensor([1, 2])


def collate(batch):
    waves, texts = zip(*batch)
    x = pad_sequence(waves, batch_first=True)  # ~ C085
    longest = max(len(t) for t in texts)  # ~ C085?
    y = torch.zeros(len(texts), longest, dtype=torch.long)  # ~ C045? C085?
    return x, y


def loaders(train, test, workers):
    a = DataLoader(train, batch_size=8, shuffle=True, collate_fn=collate, num_workers=4, pin_memory=True)  # ~ C036 C035 C033
    b = DataLoader(test, batch_size=8, num_workers=workers, persistent_workers=True, drop_last=True)  # ~ C035
    c = DataLoader(test, batch_size=1, num_workers=0)  # ~ C036?
    d = DataLoader(train, 16, drop_last=False)  # ~ C036
    kwargs = {"num_workers": 8, "pin_memory": torch.cuda.is_available(), "drop_last": True}  # ~ C035 C033|C006
    e = DataLoader(train, 16, **kwargs)  # ~ none
    f = DataLoader(train, 16, pin_memory=True, pin_memory_device="cuda", drop_last=True)  # ~ C033 C003
    g = DataLoader(train, batch_sampler=sampler(train), num_workers=2)  # ~ C035
    h = DataLoader(train, 32, True, num_workers=6, drop_last=True)  # ~ C035
    k = DataLoader(train, 32, prefetch_factor=4, num_workers=16, drop_last=True)  # ~ C035
    return a, b, c, d, e, f, g, h, k


def sampler(data):
    return torch.utils.data.BatchSampler(data, 8, drop_last=False)  # ~ C036


def to_device(batch, device):
    x = batch.pin_memory().to(device, non_blocking=True)  # ~ C033 C034
    y = batch.to(device, non_blocking=False)  # ~ none
    z = torch.empty(4, pin_memory=True)  # ~ C033
    w = torch.zeros(4).pin_memory("cuda")  # ~ C033 C003?
    z.copy_(x, non_blocking=True)  # ~ C034 C088?
    w = w.to(device=device, non_blocking=True)  # ~ C034
    v = w.to(device, torch.float32, True)  # ~ C034
    u = {k: t.to(device, non_blocking=True) for k, t in batch.items()}  # ~ C034
    return x, y, z, w, v, u


class Frontend(nn.Module):
    def __init__(self):
        super().__init__()
        self.mel = torchaudio.transforms.MelSpectrogram(16000)  # ~ C047?
        self.pool = nn.MaxPool2d(2, dilation=2)  # ~ C094
        self.up = nn.ConvTranspose1d(8, 8, 4, stride=2, dilation=2)  # ~ C094
        self.up2 = nn.ConvTranspose1d(8, 8, 4, stride=2)  # ~ none
        self.pos = nn.Embedding(512, 64)
        self.ctc = nn.CTCLoss(blank=0)  # ~ C102
        self.rnn = nn.LSTM(64, 64)

    def forward(self, wave, lens):
        spec = torch.stft(wave, 400, 160, window=torch.hann_window(400), return_complex=True)  # ~ C047
        power = spec.abs() ** 2
        voiced = wave > 0
        kept = wave[voiced]  # ~ C082
        kept2 = wave[wave > 0]  # ~ C082
        nz = torch.ne(wave, 0)
        kept3 = wave[nz]  # ~ C082
        flag = lens.bool()
        kept4 = wave[flag]  # ~ C082
        bad = torch.isnan(wave)
        kept5 = wave[~bad]  # ~ C082
        kept6 = wave[voiced & nz]  # ~ C082
        first = wave[0]  # ~ none
        cut = wave[:, 10:]  # ~ none
        every = wave[..., None]  # ~ none
        back = torch.fft.irfft(spec)  # ~ C047
        back2 = torch.istft(spec, 400)  # ~ C047
        idx = torch.nonzero(voiced)  # ~ C081
        rows = torch.where(voiced)[0]  # ~ C081
        filled = torch.where(voiced, wave, 0.0)  # ~ none
        pts = voiced.nonzero(as_tuple=True)  # ~ C081
        arg = torch.argwhere(voiced)  # ~ C081
        ids = torch.unique(lens)  # ~ C083
        cons = torch.unique_consecutive(lens)  # ~ C083
        cnt = torch.bincount(lens)  # ~ C083
        hist = torch.bincount(lens, minlength=10)  # ~ C083
        hot = F.one_hot(lens)  # ~ C083
        hot2 = F.one_hot(lens, 10)  # ~ none
        rep = torch.repeat_interleave(wave, lens, dim=0)  # ~ C084
        rep2 = wave.repeat_interleave(2, dim=0)  # ~ none
        rep3 = wave.repeat_interleave(lens, dim=0)  # ~ C084
        parts = torch.split(wave, lens.tolist())  # ~ C084 C078
        halves = torch.split(wave, 2)  # ~ none
        seq = pack_padded_sequence(wave, lens.cpu(), batch_first=True)  # ~ C102 C078?
        out, _ = self.rnn(seq)
        out, _ = pad_packed_sequence(out)  # ~ C102
        nest = torch.nested.nested_tensor([wave, cut])  # ~ C100
        pos = self.pos(torch.arange(wave.shape[1], device=wave.device))  # ~ C095
        return power, kept, kept2, kept3, kept4, kept5, kept6, first, every, back, back2, idx, rows, filled, pts, arg, ids, cons, cnt, hist, hot, hot2, rep, rep2, rep3, parts, halves, out, nest, pos


def tokens(x, pad):
    mask = x.ne(pad)
    return x[mask]  # ~ C082


def select(t, logits, keep):
    small = torch.masked_select(t, t > 0)  # ~ C082
    big = t.masked_select(keep)  # ~ C082
    fine = ~torch.isnan(logits)
    logits = logits[fine]  # ~ C082
    by_row = logits[logits.sum(1) > 0]  # ~ C082
    both = torch.logical_and(t > 0, t < 4)
    return small, big, t[both], by_row  # ~ C082


def finite_only(loss):
    return loss[torch.isfinite(loss)].mean()  # ~ C082


def table(df, arr: np.ndarray, name: str, items: List[int]):
    rows = df[df["score"] > 0]  # ~ none
    good = arr[arr > 0]  # ~ none
    m = np.isnan(arr)
    ok = arr[~m]  # ~ none
    first = items[0]  # ~ none
    uniq = np.unique(arr)  # ~ none
    where = np.where(arr > 0)  # ~ none
    return rows, good, ok, first, uniq, where, np.fft.rfft(arr), np.bincount(items)  # ~ none


def decode(model, ids, past, steps):
    for _ in range(steps):
        out = model(ids)
        k, v = out
        past_k = torch.cat([past[0], k], dim=2)  # ~ C086
        past_v = torch.cat((past[1], v), dim=2)  # ~ C086
        past = (past_k, past_v)
        nxt = out[0].argmax(-1)
        ids = torch.cat((ids, nxt), -1)  # ~ C086
    joined = torch.cat([ids, ids])  # ~ none
    return joined


def tokenise(tok, texts):
    a = tok(texts, padding=True, return_tensors="pt")  # ~ C085
    b = tok(texts, padding="longest", return_tensors="pt")  # ~ C085
    c = tok(texts, padding="max_length", max_length=128, return_tensors="pt")  # ~ none
    d = tok.pad(texts, return_tensors="pt")  # ~ C085
    return a, b, c, d


def boxes(pred, scores, feats, labels):
    keep = nms(pred, scores, 0.5)  # ~ C097
    keep2 = torchvision.ops.batched_nms(pred, scores, labels, 0.5)  # ~ C097
    pooled = roi_align(feats, [pred], 7)  # ~ C097
    iou = box_iou(pred, pred)  # ~ none
    d = torchvision.ops.deform_conv2d(feats, pred, scores)  # ~ C097
    return keep, keep2, pooled, iou, d
