import torch

import lab.env as environment
from lab import env
from lab import has_gpu as there
from lab.env import HAS_CUDA, NO_CUDA, NUM_GPUS, on_host

from . import env as near
from .env import has_gpu


def by_function(model):
    if has_gpu():
        model.cuda()  # ~ C001:light
    return model


def by_another_name(model):
    return model.cuda() if there() else model  # ~ C001:light


def by_module(model):
    if env.has_gpu():
        torch.cuda.empty_cache()  # ~ C017:light
    if environment.HAS_CUDA:
        torch.cuda.synchronize()  # ~ C016:light
    if near.has_gpu() and model is not None:
        model.cuda()  # ~ C001:light


def by_flag(x):
    if HAS_CUDA:
        x = x.cuda()  # ~ C001:light
    if not NO_CUDA:
        torch.cuda.synchronize()  # ~ C016:light
    if NUM_GPUS > 1:
        torch.cuda.empty_cache()  # ~ C017:light
    return x


def by_leaving(x):
    if on_host():
        return x
    return x.cuda()  # ~ C001:light


def chosen():
    return "cuda" if has_gpu() else "cpu"  # ~ C005
