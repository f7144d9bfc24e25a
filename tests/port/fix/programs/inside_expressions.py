"""Questions inside of expressions."""

import torch

x = torch.ones(2, 3)

if (n := torch.cuda.device_count()) > 1:
    print(n)
d = (dev := "cuda")
y = x.to(dev)
print(
    list(range(torch.cuda.device_count())),
    {i: torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())},
)
y = x.cuda() if (gpu := torch.cuda.is_available()) else x
print(gpu)
