import os

import torch
import torch.cuda as tc
from torch.cuda import is_available as has_gpu

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")  # ~ C005
DEV2 = "cuda:0" if has_gpu() else "cpu"  # ~ C005
DEV3 = torch.device("cuda:0") if torch.cuda.is_available() else torch.device("cpu")  # ~ C005
if torch.cuda.is_available():  # ~ C005
    DEV4 = torch.device("cuda")
else:
    DEV4 = torch.device("cpu")


class Runner:
    device = "cuda"  # ~ C003
    world = torch.cuda.device_count()  # ~ C007

    def __init__(self, use_gpu=True):
        self.dev = "cuda" if use_gpu and torch.cuda.is_available() else "cpu"  # ~ C005
        self.amp = torch.cuda.is_available()  # ~ C006
        self.n = tc.device_count()  # ~ C007
        if use_gpu:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))  # ~ C009
            self.idx = tc.current_device()  # ~ C008
        with tc.device(self.n - 1):  # ~ C010
            self.buf = torch.zeros(4)
        with torch.cuda.device_of(self.buf):  # ~ C010
            pass

    def facts(self, x):
        major, minor = torch.cuda.get_device_capability()  # ~ C022
        if torch.cuda.get_device_capability() >= (8, 0):  # ~ C022
            self.flash = True
        name = torch.cuda.get_device_name(0)  # ~ C021
        p = tc.get_device_properties("cuda")  # ~ C021
        if x.is_cuda:  # ~ C011
            return p.multi_processor_count  # ~ none
        if x.device.type == "cuda":  # ~ C012
            return name
        if torch.version.cuda is not None and torch.version.cuda >= "11.8":  # ~ C014
            return 0
        if torch.version.hip:  # ~ C014
            return 1
        if "cuda" in str(self.dev):  # ~ C012
            return 2
        if self.dev.startswith("cuda"):  # ~ C012
            return 3
        if tc.is_bf16_supported():  # ~ C023
            return 4
        return major + minor

    def seed(self, s):
        torch.manual_seed(s)  # ~ none
        torch.cuda.manual_seed_all(s)  # ~ none
        if torch.cuda.is_available():  # ~ C006
            torch.cuda.manual_seed_all(s)  # ~ none

    def state(self):
        s = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}  # ~ C029
        torch.cuda.set_rng_state(s["cuda"][0])  # ~ C029
        return s

    def sync(self):
        if torch.accelerator.is_available():  # ~ C015?
            torch.accelerator.synchronize()  # ~ C015:light?
        torch.accelerator.empty_cache()  # ~ C015
        torch.accelerator.memory_allocated()  # ~ C015


def move(batch, device=None):
    device = device or torch.device("cuda", torch.cuda.current_device())  # ~ C004 C008
    return {k: v.to(device, non_blocking=True) for k, v in batch.items()}  # ~ C034


def cfg():
    conf = dict(device="cuda", lr=0.1)  # ~ C003
    torch.set_default_device("cuda")  # ~ C003
    x = torch.ones(3, device="cuda:1")  # ~ C003
    y = torch.tensor([1.0]).to(device="cuda", dtype=torch.float32)  # ~ C002
    z = x.to("cuda", non_blocking=True)  # ~ C002 C034
    w = x.to(torch.device("cuda"))  # ~ C004
    torch.use_deterministic_algorithms(True)  # ~ C051
    torch.backends.cudnn.enabled = False  # ~ C050
    torch.set_float32_matmul_precision("high")  # ~ C049
    return conf, y, z, w


@torch.cuda.amp.custom_fwd  # ~ C041
def fwd(ctx, x):
    return x


@torch.cuda.amp.custom_bwd  # ~ C041
def bwd(ctx, g):
    return g.to(torch.float64)  # ~ C044
