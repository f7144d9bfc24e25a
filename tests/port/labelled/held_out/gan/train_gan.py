import bitsandbytes.optim as bo  # ~ C064
import torch
import torch.nn as nn
import torch.utils.data
import xformers.ops  # ~ C057
from apex import amp  # ~ C063
from torch.utils.cpp_extension import load_inline as li
from xformers.ops import memory_efficient_attention as mea  # ~ C057

use_cuda = torch.cuda.is_available()  # ~ C006
device = torch.device("cuda" if use_cuda else "cpu")  # ~ C005
kwargs = {"num_workers": 1, "pin_memory": True} if use_cuda else {}  # ~ C035:light C033:light
loader = torch.utils.data.DataLoader(ds, batch_size=64, shuffle=True, **kwargs)  # ~ C036
netG = nn.DataParallel(Generator())  # ~ C108
if use_cuda:
    netG.cuda()  # ~ C001:light
opt = bo.Adam8bit(netG.parameters())  # ~ C065
mod = li("k", cpp_sources="", cuda_sources="__global__ void f(){}")  # ~ C061
fixed = torch.randn(64, 100, 1, 1, device=device)  # ~ C031
for i, (real, _) in enumerate(loader, 0):
    real = real.to(device)  # ~ none
    label = torch.full((real.size(0),), 1.0, device=device)  # ~ none
    errD = crit(netG(fixed), label)
    with amp.scale_loss(errD, opt) as scaled:  # ~ C063
        scaled.backward()
    dx = errD.mean().item()  # ~ C077
    label.fill_(0.0)  # ~ C088?
    att = mea(real, real, real)  # ~ C057?
    print("%d %.3f" % (i, dx))  # ~ none
    vals = errD.detach().cpu().numpy()  # ~ C078
torch.backends.cudnn.benchmark = True  # ~ C050
torch.backends.cudnn.deterministic = True  # ~ C051
ema = netG.to(dtype=torch.bfloat16)  # ~ C043
gopt = torch.optim.AdamW(ema.parameters())  # ~ C043?
gen = torch.Generator(device=torch.device("cuda")).manual_seed(0)  # ~ C030 C004?
rng = torch.cuda.get_rng_state()  # ~ C029
with torch.backends.cuda.sdp_kernel(enable_math=False):  # ~ C052
    pass
