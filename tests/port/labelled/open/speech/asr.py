import torch
import torch.nn as nn
import torch.nn.functional as F
import torchaudio
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence


class Frontend(nn.Module):
    def forward(self, wav):
        spec = torch.stft(wav, 400, 160, window=self.window, return_complex=True)  # ~ C047
        power = spec.abs() ** 2
        f = torch.fft.rfft(wav)  # ~ C047
        wav2 = torch.istft(spec, 400)  # ~ C047
        back = torch.fft.irfft(f)  # ~ C047
        return power, wav2, back


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(80, 256, batch_first=True)  # ~ none
        self.ctc = nn.CTCLoss(blank=0, zero_infinity=True)  # ~ C102

    def forward(self, x, lengths):
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)  # ~ C102
        out, _ = self.rnn(packed)
        out, _ = pad_packed_sequence(out, batch_first=True)  # ~ C102
        return out


def collate(batch):
    feats = [b[0] for b in batch]
    lens = torch.tensor([len(f) for f in feats])  # ~ none
    return pad_sequence(feats, batch_first=True), lens  # ~ C085


def train_step(enc, x, lens, y, ylens):
    lp = enc(x, lens).log_softmax(-1)
    loss = F.ctc_loss(lp, y, lens, ylens)  # ~ C102
    frames = torch.repeat_interleave(x, lens, dim=0)  # ~ C084
    twice = x.repeat_interleave(2, dim=1)  # ~ none
    parts = torch.split(x, lens.tolist())  # ~ C084 C078
    halves = torch.split(x, 2)  # ~ none
    nt = torch.nested.nested_tensor([f for f in frames])  # ~ C100
    jag = torch.nested.as_nested_tensor(parts, layout=torch.jagged)  # ~ C100
    return loss, twice, halves, nt, jag


def beam_search(model, h, beam=5, max_len=100):
    hyps = [([0], 0.0)]
    for _ in range(max_len):  # ~ C087?
        scored = []
        for seq, score in hyps:  # ~ none
            lp = model.step(torch.tensor([seq]), h)
            top = lp.topk(beam)  # ~ none
            for s, i in zip(top.values[0].tolist(), top.indices[0].tolist()):  # ~ C078
                scored.append((seq + [i], score + s))
        hyps = sorted(scored, key=lambda t: -t[1])[:beam]  # ~ none
        if all(seq[-1] == 2 for seq, _ in hyps):  # ~ C087?
            break
    return hyps


def features(path):
    wav, sr = torchaudio.load(path)  # ~ none
    return torchaudio.functional.resample(wav, sr, 16000)  # ~ none
