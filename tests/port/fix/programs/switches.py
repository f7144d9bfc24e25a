"""Global switches, one by one and together."""

import torch
import torch.backends.cudnn as cudnn

use = True

torch.backends.cudnn.benchmark = True
torch.backends.cudnn.deterministic = False
torch.backends.cuda.matmul.allow_tf32 = True
cudnn.benchmark = not use
cudnn.enabled = True
cudnn.benchmark, cudnn.deterministic = True, True
with torch.backends.cudnn.flags(enabled=False):
    pass
old = torch.backends.cudnn.allow_tf32
torch.backends.cudnn.allow_tf32 = old
torch.backends.cudnn.benchmark = False
