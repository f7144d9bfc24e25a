"""Times that events take."""

import torch

x = torch.ones(2, 3)

torch.cuda.synchronize()
start = torch.cuda.Event(True)
end = torch.cuda.Event(enable_timing=True)
start.record()
y = x @ x.T
end.record()
torch.cuda.synchronize(device=0)
start.elapsed_time(end)
sync = torch.cuda.synchronize
sync()
timer = torch.cuda.synchronize if torch.cuda.is_available() else (lambda: None)
timer()
