import torch

try:
    from flash_attn import flash_attn_func  # ~ C054:light
except ImportError:
    flash_attn_func = None

try:
    HAS_TRITON = True
except Exception:
    HAS_TRITON = False

if torch.cuda.is_available():  # ~ C006
    torch.cuda.empty_cache()  # ~ C017:light
    torch.backends.cudnn.benchmark = True  # ~ C050:light


def step(x):
    if x.is_cuda:  # ~ C011
        torch.cuda.synchronize()  # ~ C016:light
    if torch.cuda.is_available() and x.device.type == "cuda":  # ~ C006 C012:light
        x.record_stream(torch.cuda.current_stream())  # ~ C025:light
    return x


def log_memory():
    if not torch.cuda.is_available():  # ~ C006
        return 0
    return torch.cuda.memory_allocated()  # ~ C018:light


def seed(s):
    torch.cuda.is_available() and torch.cuda.manual_seed(s)  # ~ C006 C028:light
    n = torch.cuda.device_count() if torch.cuda.is_available() else 0  # ~ C007:light C006
    return n
