"""torch.cuda under other names."""

import torch
import torch.cuda as tc
import torch.cuda.amp as amp
from torch import cuda as c

cu = torch.cuda
c.synchronize()
tc.empty_cache()
cu.set_device(0)
with amp.autocast():
    pass
s = amp.GradScaler()
print(type(s).__module__)
if c.is_available():
    c.manual_seed(1)
