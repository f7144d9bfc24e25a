"""A training loop with a scaler, clipping and a fused optimizer."""

import torch
from torch import nn

x = torch.ones(2, 3)

net = nn.Linear(3, 1).cuda()
opt = torch.optim.Adam(net.parameters(), fused=True)
s = torch.cuda.amp.GradScaler(init_scale=128.0)
for _ in range(3):
    with torch.cuda.amp.autocast():
        loss = net(x.cuda()).sum()
    opt.zero_grad(set_to_none=True)
    s.scale(loss).backward()
    s.unscale_(opt)
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    s.step(opt)
    s.update()
print(s.state_dict()["scale"])
