"""Switches that a run sets before anything else, in several ways of writing."""
import os
import random

import numpy as np
import torch
from torch import backends
from torch.backends import cudnn
import torch.backends.cudnn as dnn


def fast():
    torch.backends.cudnn.benchmark = True  # ~ C050
    cudnn.benchmark = True  # ~ C050
    backends.cudnn.benchmark = True  # ~ C050
    dnn.enabled = True  # ~ C050
    dnn.benchmark_limit = 0  # ~ C050
    setattr(torch.backends.cudnn, "benchmark", True)  # ~ C050
    torch.backends.cudnn.fastest = True  # ~ C050


def exact(seed=0):
    torch.backends.cudnn.deterministic = True  # ~ C051
    torch.backends.cudnn.benchmark = False  # ~ C050
    cudnn.deterministic = bool(seed)  # ~ C051
    dnn.deterministic, dnn.benchmark = True, False  # ~ C051 C050
    torch.use_deterministic_algorithms(True)  # ~ C051
    torch.set_deterministic_debug_mode("error")  # ~ C051
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # ~ C106
    os.environ["PYTHONHASHSEED"] = str(seed)  # ~ none
    random.seed(seed)  # ~ none
    np.random.seed(seed)  # ~ none


def context():
    with torch.backends.cudnn.flags(enabled=False, benchmark=False):  # ~ C050
        pass
    with dnn.flags(deterministic=True):  # ~ C050|C051
        pass
    old = torch.backends.cudnn.benchmark  # ~ C050
    torch.backends.cudnn.benchmark = old  # ~ C050
    v = torch.backends.cudnn.version()  # ~ C050
    ok = torch.backends.cudnn.is_available()  # ~ C050
    det = torch.are_deterministic_algorithms_enabled()  # ~ none C051?
    return v, ok, det


def trainer(pl):
    a = pl.Trainer(benchmark=True, max_epochs=3)  # ~ C050
    b = pl.Trainer(deterministic=True)  # ~ C051
    return a, b


class Settings:
    cudnn_benchmark: bool = True  # ~ C050
    cudnn_deterministic = True  # ~ C051
    benchmark: bool = True  # ~ none
    deterministic_order = True  # ~ none


def own(bench):
    bench.benchmark = True  # ~ none
    bench.enabled = True  # ~ none
    bench.deterministic = True  # ~ none
    deterministic = True  # ~ none
    return deterministic


FLAGS = {"cudnn_benchmark": True, "cudnn_deterministic": False}  # ~ C050
torch.utils.deterministic.fill_uninitialized_memory = False  # ~ C051? none
