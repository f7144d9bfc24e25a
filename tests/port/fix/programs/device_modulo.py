"""A device by the remainder of a rank."""
# ruff: noqa: F841 as it is met in programs

import torch

x = torch.ones(2, 3)
rank = 1


def main(r):
    device = r % torch.cuda.device_count()
    torch.cuda.set_device(device)
    y = x.to(device)
    z = torch.zeros(2, device=device)
    return y


main(3)
gpu = rank % torch.cuda.device_count()
print(gpu)
torch.cuda.set_device(gpu)
per = 8 // torch.cuda.device_count()
print(per)
