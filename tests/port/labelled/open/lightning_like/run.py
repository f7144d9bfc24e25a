import lightning as L
import torch.nn.functional as F
from lightning.pytorch.strategies import FSDPStrategy
from torch import *  # noqa: F403
from torch.cuda import *  # noqa: F403

x = zeros(3, device="cuda")  # ~ C003
synchronize()  # ~ C016
empty_cache()  # ~ C017


class Lit(L.LightningModule):
    def training_step(self, batch, i):
        img, y = batch
        loss = F.cross_entropy(self.net(img), y)
        self.log("loss", loss)  # ~ none
        self.log("acc", loss.detach().item())  # ~ C077
        return loss

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-3)  # ~ none


trainer = L.Trainer(
    accelerator="gpu",  # ~ any?
    devices=4,
    precision="16-mixed",  # ~ C042
    strategy=FSDPStrategy(cpu_offload=True),  # ~ C109 C129
    sync_batchnorm=True,  # ~ C117
)
cpu = L.Trainer(accelerator="cpu", precision="32-true")  # ~ none
