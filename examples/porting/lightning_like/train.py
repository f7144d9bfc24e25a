"""A regression in the style of a trainer that owns the loop."""

import torch
from trainer import Task, Trainer


def seed_everything(seed):
    torch.manual_seed(seed)
    torch.cuda.manual_seed_all(seed)
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


class Regression(Task):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(4, 16),
            torch.nn.ReLU(),
            torch.nn.Linear(16, 1),
        )

    def training_step(self, batch):
        x, y = batch
        return torch.nn.functional.mse_loss(self.layers(x), y)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.01)


seed_everything(3)
inputs = torch.randn(80, 4)
targets = inputs.prod(1, keepdim=True)
loader = torch.utils.data.DataLoader(
    torch.utils.data.TensorDataset(inputs, targets), batch_size=10, pin_memory=True
)
losses = Trainer(max_steps=8, precision="bf16").fit(Regression(), loader)
for step, value in enumerate(losses):
    print(f"step {step}: loss {value:.6f}")
