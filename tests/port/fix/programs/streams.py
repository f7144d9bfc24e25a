"""Streams and events that wait for each other."""

import torch

x = torch.ones(2, 3)

s = torch.cuda.Stream(priority=-1)
s2 = torch.cuda.Stream(device=1)
e = torch.cuda.Event(enable_timing=True, blocking=True)
e2 = torch.cuda.Event(enable_timing=True)
s.wait_stream(torch.cuda.current_stream())
with torch.cuda.stream(s):
    e.record()
    y = x.cuda(non_blocking=True)
    e2.record(s)
torch.cuda.current_stream().wait_stream(s)
y.record_stream(torch.cuda.current_stream())
s.wait_event(e)
e2.synchronize()
print(e.query(), s.query())
s.synchronize()
e.elapsed_time(e2)
torch.cuda.current_stream(1)
torch.cuda.default_stream()
torch.cuda.set_stream(s)
ev = s.record_event()
ev.wait(s)
