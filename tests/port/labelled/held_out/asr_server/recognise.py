import torch
import torch.nn as nn
from torch.nn.utils import rnn


class Recogniser(nn.Module):
    def __init__(self):
        super().__init__()
        self.loss_fn = nn.CTCLoss()  # ~ C102
        self.win = torch.hann_window(400)  # ~ none

    def forward(self, wav, lens):
        s = torch.stft(wav, n_fft=400, window=self.win, return_complex=True)  # ~ C047
        m = torch.view_as_real(s)  # ~ C046
        g = torch.fft.fft2(m)  # ~ C047
        seq = rnn.pack_padded_sequence(m, lens, batch_first=True)  # ~ C102
        return seq, g

    def pack(self, xs):
        return rnn.pad_sequence(xs, batch_first=True, padding_value=0)  # ~ C085

    @torch.inference_mode()
    def greedy(self, h, max_steps=50):
        state = torch.complex(h, h)  # ~ C046
        ids = torch.zeros(1, 1, dtype=torch.int64, device=h.device)  # ~ C045
        for _ in range(max_steps):  # ~ C087?
            nxt = self.step(ids).argmax(-1)
            ids = torch.cat([ids, nxt], 1)  # ~ C086
            if nxt.item() == 2:  # ~ C077 C087? C080?
                break
        return ids.squeeze(0).tolist(), state  # ~ C078


def align(a, durations):
    b = torch.repeat_interleave(a, durations, dim=1)  # ~ C084
    c = a.split(durations.tolist(), dim=1)  # ~ C084 C078
    d = torch.nested.nested_tensor(list(c))  # ~ C100
    e = a.repeat_interleave(4, 0)  # ~ none
    return b, d, e


def load(path, fp16):
    ck = torch.load(path)  # ~ C125
    with open(path, "rb") as fh:
        ck2 = torch.load(fh, weights_only=True)  # ~ C125
    m = Recogniser().cuda()  # ~ C001
    if fp16:
        m = m.half()  # ~ C042
    m.load_state_dict(ck)  # ~ none
    return m, ck2


def nan_guard(x):
    if torch.isinf(x).any() or torch.isnan(x).any():  # ~ C079
        x = x.nan_to_num()
    if not torch.all(torch.isfinite(x)):  # ~ C079
        return None
    return x
