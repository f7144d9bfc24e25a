import lightning.pytorch as pl
import torch
import torchmetrics
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.strategies import DDPStrategy, DeepSpeedStrategy
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader


class Classifier(pl.LightningModule):
    def __init__(self, lr=1e-3):
        super().__init__()
        self.save_hyperparameters()  # ~ none
        self.acc = torchmetrics.Accuracy(task="multiclass", num_classes=10)  # ~ none
        self.register_buffer("mean", torch.tensor([0.5]).cuda())  # ~ C001

    def training_step(self, batch, batch_idx):
        x, y = batch
        logits = self(x)
        loss = F.cross_entropy(logits, y)
        self.log("train_loss", loss, prog_bar=True)  # ~ none
        if torch.isnan(loss):  # ~ C150
            return None
        if batch_idx % 100 == 0:  # ~ none
            self.logger.log_metrics({"mem": torch.cuda.memory_allocated() / 1e9})  # ~ C018
            self.print(logits.argmax(-1).tolist())  # ~ C078
        return loss

    def on_train_epoch_end(self):
        torch.cuda.empty_cache()  # ~ C017
        torch.cuda.reset_peak_memory_stats(self.device)  # ~ C018

    def on_save_checkpoint(self, checkpoint):
        checkpoint["cuda_rng"] = torch.cuda.get_rng_state(self.device)  # ~ C029

    def configure_optimizers(self):
        opt = torch.optim.AdamW(self.parameters(), lr=self.hparams.lr, fused=True)  # ~ C118
        return opt


class Data(pl.LightningDataModule):
    def train_dataloader(self):
        return DataLoader(self.train, batch_size=64, shuffle=True, num_workers=8, pin_memory=True, persistent_workers=True)  # ~ C035 C033 C036

    def val_dataloader(self):
        return DataLoader(self.val, batch_size=64, num_workers=0, drop_last=True)  # ~ none


if __name__ == "__main__":
    torch.set_float32_matmul_precision("medium")  # ~ C049
    trainer = pl.Trainer(
        accelerator="cuda",  # ~ C003
        devices=torch.cuda.device_count(),  # ~ C007
        strategy=DDPStrategy(find_unused_parameters=False, process_group_backend="nccl"),  # ~ C103
        precision="16-mixed",  # ~ C042
        sync_batchnorm=True,  # ~ C117
        benchmark=True,  # ~ C050
        callbacks=[ModelCheckpoint(monitor="val_loss")],  # ~ none
        log_every_n_steps=10,  # ~ none
    )
    ds = pl.Trainer(strategy=DeepSpeedStrategy(stage=3, offload_optimizer=True))  # ~ C066 C129
    model = torch.compile(Classifier())  # ~ C072
    trainer.fit(model, Data())  # ~ none
