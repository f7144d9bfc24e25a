"""Types of tensors that name CUDA."""

import torch

x = torch.ones(2, 3)
use = True

a = torch.cuda.FloatTensor(2, 3)
b = torch.cuda.LongTensor([1, 2])
T = torch.cuda.FloatTensor if use else torch.FloatTensor
e = T(2)
g = torch.cuda.ByteTensor(2).fill_(1)
print(isinstance(x, torch.FloatTensor))
torch.set_default_tensor_type("torch.cuda.FloatTensor")
torch.set_default_tensor_type(torch.cuda.FloatTensor)
