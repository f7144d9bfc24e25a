import torch

READY = torch.backends.mps.is_available()
ALWAYS = True
MAYBE = torch.cuda.is_available()  # ~ C006
if READY:
    MAYBE = True


def has_gpu():
    if READY:
        return True
    return torch.cuda.is_available()  # ~ C006


def on_host():
    return not torch.cuda.is_available()  # ~ C006


def has_accelerator():
    return torch.accelerator.is_available()
