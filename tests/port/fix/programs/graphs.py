"""A graph that CUDA captures."""

import torch

x = torch.ones(2, 3)

g = torch.cuda.CUDAGraph()
s = torch.cuda.Stream()
s.wait_stream(torch.cuda.current_stream())
with torch.cuda.graph(g):
    y = x + 1
g.replay()
print(torch.cuda.is_current_stream_capturing())
