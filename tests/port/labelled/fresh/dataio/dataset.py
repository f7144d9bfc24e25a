"""Reads images. Tensors made here live on the host until the trainer moves them to cuda."""  # ~ none
import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset, Sampler


class Images(Dataset):
    def __init__(self, root, aug=True):
        self.files = sorted(Path(root).glob("*.png"))  # ~ none
        self.files.sort(key=lambda p: p.name)  # ~ none

    def __getitem__(self, i):
        img = np.asarray(Image.open(self.files[i]), dtype=np.float64) / 255  # ~ none
        if random.random() < 0.5:  # ~ none
            img = img[:, ::-1]  # ~ none
        mask = img > 0.5  # ~ none
        img[mask] = 0  # ~ none
        x = torch.from_numpy(img.copy()).float()  # ~ none
        x[0] = 1  # ~ none
        y = torch.tensor(i % 10, dtype=torch.long)  # ~ C045
        return x, y

    def __len__(self):
        return len(self.files)


class Shuffled(Sampler):
    def __iter__(self):
        g = torch.Generator()  # ~ none
        g.manual_seed(self.seed + self.epoch)  # ~ none
        return iter(torch.randperm(self.n, generator=g).tolist())  # ~ C078?


def stats(path):
    a = np.load(path)
    print(a.mean().item(), a.std())  # ~ none
    return {k: v.item() for k, v in dict(mean=a.mean()).items()}  # ~ none
