"""Where tensors live: small helpers that the rest of the package imports."""
from __future__ import annotations

import contextlib
import ctypes
from ctypes import CDLL
from dataclasses import dataclass
from typing import Optional, Union

import numpy as np
import torch

DEFAULT_DEVICE = "cuda"  # ~ C003
_KINDS = ("cpu", "cuda", "mps")  # ~ none
Device = Union[str, torch.device]


@dataclass
class Placement:
    device: str = "cuda:0"  # ~ C003
    index: int = 0
    name: str = "placement"


def pick(name: Optional[str] = None) -> torch.device:
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"  # ~ C005
    return torch.device(name)  # ~ none


def on_gpu(t: torch.Tensor) -> bool:
    return t.device.type == "cuda"  # ~ C012


def kind_of(t: torch.Tensor) -> str:
    if "cuda" in str(t.device):  # ~ C012
        return "gpu"
    if t.device == torch.device("cuda"):  # ~ C004|C012
        return "gpu"
    if str(t.device).startswith("cuda"):  # ~ C012
        return "gpu"
    match t.device.type:
        case "cuda":  # ~ C012
            return "gpu"
    if t.get_device() != -1:  # ~ C011|C012
        return "gpu"
    return "host"


def is_new_chip() -> bool:
    major, minor = torch.cuda.get_device_capability()  # ~ C022
    props = torch.cuda.get_device_properties(0)  # ~ C021
    return major >= 8 and props.multi_processor_count > 80  # ~ none


def describe() -> dict:
    return {
        "cuda": torch.version.cuda,  # ~ C014
        "hip": torch.version.hip,  # ~ C014
        "count": torch.cuda.device_count(),  # ~ C007
        "current": torch.cuda.current_device(),  # ~ C008
        "torch": torch.__version__,  # ~ none
        "archs": torch.cuda.get_arch_list(),  # ~ C022
    }


@contextlib.contextmanager
def on(index: int):
    with torch.cuda.device(index):  # ~ C010
        yield


def typed(x: np.ndarray) -> torch.Tensor:
    kind = torch.cuda.FloatTensor if torch.cuda.is_available() else torch.FloatTensor  # ~ C013:light C006
    return kind(x)


def address(t: torch.Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(t.data_ptr())  # ~ C089


def runtime():
    lib = ctypes.CDLL("libcudart.so")  # ~ C070
    return lib


def runtime_again():
    return CDLL("libcudart.so.12")  # ~ C070


def compute_library():
    return ctypes.cdll.LoadLibrary("libcublas.so.12")  # ~ C070


def maths_library():
    return ctypes.CDLL("libm.so.6")  # ~ none


def handles() -> None:
    torch.cuda.init()  # ~ C138
    torch.cuda.ipc_collect()  # ~ C138
    torch.cuda._lazy_init()  # ~ C138
    torch.cuda.check_error(0)  # ~ C138
    rt = torch.cuda.cudart()  # ~ C131|C138
    rt.cudaDeviceSynchronize()  # ~ C016?


c = torch.cuda  # ~ none


def accelerate() -> torch.device:
    torch.accelerator.synchronize()  # ~ C015
    return torch.accelerator.current_accelerator()  # ~ none


class Holder:
    def __init__(self, device: Device = "cuda", dtype=torch.float32):  # ~ C003
        self.device = torch.device(device)  # ~ none
        self.where = torch.device("cuda:1")  # ~ C004
        self.cache = torch.empty(0, device="cuda")  # ~ C003
        self.host = torch.empty(0, device="cpu")  # ~ none

    def take(self, x):
        return x.to("cuda")  # ~ C002

    def take_kw(self, x):
        return x.to(device="cuda:1", dtype=torch.float32)  # ~ C002|C003

    def take_index(self, x, local_rank: int):
        return x.to(local_rank)  # ~ C139

    def take_number(self, x):
        return x.to(0)  # ~ C139

    def take_half(self, x):
        return x.to(self.device, self.dtype)  # ~ none
