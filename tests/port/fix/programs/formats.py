"""Formats that depend on what CUDA can."""

import torch

if torch.cuda.is_available():
    dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
print(dtype)
if torch.cuda.get_device_capability()[0] >= 8:
    print("ampere")
