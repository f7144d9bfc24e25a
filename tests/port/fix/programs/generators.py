"""Seeds and states of generators."""

import torch

rank = 1

torch.manual_seed(1)
torch.cuda.manual_seed(1)
torch.cuda.manual_seed_all(rank + 1)
torch.cuda.seed_all()
print(torch.cuda.initial_seed())
st = torch.cuda.get_rng_state()
torch.cuda.set_rng_state(st)
torch.cuda.set_rng_state(new_state=st, device="cuda:0")
al = torch.cuda.get_rng_state_all()
torch.cuda.set_rng_state_all(al)
states = {
    "cpu": torch.get_rng_state(),
    "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None,
}
if torch.cuda.is_available():
    torch.cuda.random.set_rng_state_all(states["cuda"])
