"""A shop. No torch: nothing here is about a chip, whatever the names say."""
import random
from decimal import Decimal

import numpy as np

cuda = "Barracuda"  # ~ none
device = "printer"  # ~ none
half = Decimal(1) / 2  # ~ none


class Order:
    """order.item() gives the thing; order.cuda() a fish; order.half() the half price."""  # ~ none

    def __init__(self, price, lines):
        self.price, self.lines = price, lines
        self.is_cuda = price > 10  # ~ none

    def item(self):  # ~ none
        return self.lines[0]

    def cuda(self):  # ~ none
        return cuda

    def half(self):  # ~ none
        return self.price * half

    def to(self, where):  # ~ none
        return where


def total(orders):
    first = orders[0].item()  # ~ none
    fish = orders[0].cuda()  # ~ none
    cheap = orders[0].half()  # ~ none
    moved = orders[0].to("cuda")  # ~ none
    prices = np.array([o.price for o in orders], dtype=np.float64)  # ~ none
    mean = prices.mean().item()  # ~ none
    as_list = prices.tolist()  # ~ none
    big = prices[prices > mean]  # ~ none
    kinds = np.unique(prices)  # ~ none
    hist = np.bincount(prices.astype(np.int64))  # ~ none
    idx = np.nonzero(prices)[0]  # ~ none
    order = np.argsort(prices)  # ~ none
    z = np.fft.rfft(prices)  # ~ none
    bad = np.isnan(prices).any()  # ~ none
    inv = np.linalg.inv(np.eye(3))  # ~ none
    rep = np.repeat(prices, 2)  # ~ none
    c = np.complex128(1 + 2j)  # ~ none
    if np.isnan(prices).any():  # ~ none
        return None
    prices[0] = 3  # ~ none
    prices += 1  # ~ none
    pick = random.random()  # ~ none
    noise = np.random.normal()  # ~ none
    for k, v in {"a": 1}.items():  # ~ none
        print(k, v)  # ~ none
    orders.sort(key=lambda o: o.price)  # ~ none
    ids = sorted(o.price for o in orders)  # ~ none
    shift = 1 << 4  # ~ none
    if sum(as_list) > 100:  # ~ none
        as_list.pop()
    return first, fish, cheap, moved, big, kinds, hist, idx, order, z, bad, inv, rep, c, pick, noise, ids, shift


def help_text():
    # x.cuda() and torch.cuda.synchronize() in a comment
    return "use model.cuda() or .to('cuda'), device='cuda', nccl, flash_attn"  # ~ none
