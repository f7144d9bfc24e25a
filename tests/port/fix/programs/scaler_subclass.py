"""A scaler of one's own."""

import torch


class Mine(torch.cuda.amp.GradScaler):
    pass


s = Mine(init_scale=2.0)
print(type(s).__name__, s.get_scale())
