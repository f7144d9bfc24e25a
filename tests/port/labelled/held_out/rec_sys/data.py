"""Reads logs. `.cuda()` is not called here; torch.cuda.synchronize() neither."""  # ~ none
import argparse
import json
import random

import numpy as np
import pandas as pd


class Item:
    def item(self):  # ~ none
        return 1

    def tolist(self):  # ~ none
        return []

    def numpy(self):  # ~ none
        return np.zeros(1)


def clean(df: pd.DataFrame, items):
    a = df["user"].unique()  # ~ none
    b = df["price"].to_numpy().astype(np.float64)  # ~ none
    c = b[b > 0]  # ~ none
    d = np.where(b > 0)  # ~ none
    e = [i.item() for i in items]  # ~ none
    f = items[0].tolist()  # ~ none
    g = np.sort(b)  # ~ none
    h = np.random.permutation(b)  # ~ none
    k = random.random()  # ~ none
    m = float(b.mean())  # ~ none
    n = int(b[0])  # ~ none
    b[b < 0] = 0  # ~ none
    b *= 2  # ~ none
    if (b > 3).any():  # ~ none
        b = b / 3
    while b.max() > 5:  # ~ none
        b = b / 2
    o = df.groupby("user").item.mean()  # ~ none
    r = df.sort_values("price").values.argsort()  # ~ none
    s = b.sum().item()  # ~ none
    t = np.linalg.svd(np.eye(2))  # ~ none
    u = np.fft.fft(b)  # ~ none
    v = np.bincount([1, 2])  # ~ none
    w = np.concatenate([b, c])  # ~ none
    np.add.at(b, [0], 1)  # ~ none
    print(b)  # ~ none
    return a, d, e, f, g, h, k, m, n, o, r, s, t, u, v, w


def options():
    p = argparse.ArgumentParser(description="no cuda")  # ~ none
    p.add_argument("--cuda-notes", default="cuda is not used")  # ~ none
    p.add_argument("--workers", type=int, default=4)  # ~ none
    p.add_argument("--half", action="store_true")  # ~ none
    return p.parse_args()


def dump(rows, path):
    with open(path, "w") as fh:
        json.dump({"device": "mobile", "rows": rows}, fh)  # ~ none
    return {"nccl": 0, "item": rows[0]}.get("item")  # ~ none
