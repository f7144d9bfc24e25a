import torch

from lab.env import ALWAYS, MAYBE, has_accelerator, has_gpu, on_host


def wrong_answers(x):
    if has_gpu():
        x = x.cuda()  # ~ C001
    if has_accelerator():
        x = x.cuda()  # ~ C001
    if on_host():
        x = x.cuda()  # ~ C001
    if ALWAYS:
        x = x.cuda()  # ~ C001
    if MAYBE:
        torch.cuda.synchronize()  # ~ C016
    return x


def not_called(x):
    if has_gpu:
        x = x.cuda()  # ~ C001
    return x
