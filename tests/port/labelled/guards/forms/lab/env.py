import functools
import shutil

import torch

HAS_CUDA = torch.cuda.is_available()  # ~ C006
NO_CUDA = not torch.cuda.is_available()  # ~ C006
NUM_GPUS = torch.cuda.device_count()  # ~ C007


@functools.lru_cache(maxsize=None)
def has_gpu():
    try:
        return bool(torch.cuda.is_available())  # ~ C006
    except RuntimeError:
        return False


def on_host():
    return not torch.cuda.is_available()  # ~ C006


def nvlink():
    if shutil.which("nvidia-smi") is None:  # ~ C132
        return False
    if torch.cuda.device_count() < 2:  # ~ C007:light
        return False
    return True


class Machine:
    @property
    def fast(self):
        return torch.cuda.is_available()  # ~ C006

    @functools.cached_property
    def many(self):
        return torch.cuda.device_count() > 1  # ~ C007

    def ready(self):
        return self.fast

    def warm(self, model):
        if self.fast:
            model.cuda()  # ~ C001:light
        if self.many:
            torch.cuda.synchronize()  # ~ C016:light
        if self.ready():
            torch.cuda.empty_cache()  # ~ C017:light
        return model


def prepare(model):
    if has_gpu():
        model.cuda()  # ~ C001:light
    if on_host():
        return model
    torch.cuda.synchronize()  # ~ C016:light
    return model
