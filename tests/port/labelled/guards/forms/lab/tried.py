import contextlib

import torch

try:
    import flash_attn  # ~ C054:light
except ImportError:
    flash_attn = None


def warm(x):
    try:
        x = x.cuda()  # ~ C001:light
    except (AssertionError, RuntimeError):
        pass
    with contextlib.suppress(AssertionError, RuntimeError):
        torch.cuda.synchronize()  # ~ C016:light
    try:
        torch.cuda.set_device(0)  # ~ C009:light
    except Exception:
        print("no GPU")
    return x


def attend(q, k, v):
    if flash_attn is not None:
        from flash_attn import flash_attn_func  # ~ C054:light

        return flash_attn_func(q, k, v)  # ~ C054:light
    return q
