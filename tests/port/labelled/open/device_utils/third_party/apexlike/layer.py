import torch


def go(x):
    torch.cuda.synchronize()  # ~ C016:light
    return x.cuda().half()  # ~ C001:light C042:light
