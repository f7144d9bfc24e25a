"""Sequences that are packed."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

p = pack_sequence([torch.ones(2), torch.ones(1)]).cuda()
print(type(p).__name__, p.data.is_cuda)
e = nn.ParameterList([nn.Parameter(torch.ones(1))]).cuda()
