"""Arguments that only running tells."""

import torch

use = True

opts = {"enabled": use, "dtype": torch.bfloat16}
with torch.cuda.amp.autocast(**opts):
    pass
args = (True, torch.bfloat16)
with torch.cuda.amp.autocast(*args):
    pass
