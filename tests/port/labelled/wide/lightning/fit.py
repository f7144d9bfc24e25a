"""A module for Lightning with its trainer."""
import lightning as L
import torch
import torch.nn as nn
from lightning.pytorch.plugins.precision import MixedPrecision
from lightning.pytorch.strategies import DDPStrategy, DeepSpeedStrategy, FSDPStrategy
from torch.distributed.fsdp import FullyShardedDataParallel as FSDP  # ~ C109?
from torch.distributed.fsdp import CPUOffload, MixedPrecision as FsdpPrecision, fully_shard  # ~ C109?


class Lit(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(4, 4)
        self.weights = torch.tensor([1.0, 2.0]).cuda()  # ~ C001
        self.automatic_optimization = False

    def training_step(self, batch, i):
        x, y = batch
        loss = self.net(x).sum()
        self.log("loss", loss)  # ~ none
        self.log("raw", loss.item())  # ~ C077
        if loss > 5:  # ~ C150
            return None
        if torch.isnan(loss):  # ~ C150
            return None
        if self.global_step % 10 == 0:  # ~ none
            torch.cuda.empty_cache()  # ~ C017
        peak = torch.cuda.max_memory_allocated(self.device)  # ~ C018
        self.log("peak", peak)  # ~ none
        return loss

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), fused=True)  # ~ C118

    def on_train_start(self):
        torch.cuda.reset_peak_memory_stats(self.device)  # ~ C018

    def configure_model(self):
        fully_shard(self.net)  # ~ C109


def trainers():
    a = L.Trainer(accelerator="gpu", devices=8, strategy="ddp", precision="16-mixed")  # ~ C136 C042
    b = L.Trainer(accelerator="cuda", devices=[0, 1], sync_batchnorm=True)  # ~ C136|C003 C117
    c = L.Trainer(accelerator="auto", devices="auto", precision="bf16-mixed")  # ~ none
    d = L.Trainer(strategy=DDPStrategy(process_group_backend="nccl"))  # ~ C103
    e = L.Trainer(strategy=DeepSpeedStrategy(stage=3, offload_optimizer=True))  # ~ C066 C129
    f = L.Trainer(strategy=FSDPStrategy(cpu_offload=True))  # ~ C109 C129
    g = L.Trainer(strategy="deepspeed_stage_2", precision=16)  # ~ C066 C042
    h = L.Trainer(gpus=4, amp_backend="apex")  # ~ C136 C063
    k = L.Trainer(strategy="fsdp", precision="64-true")  # ~ C109 C044
    m = L.Trainer(plugins=[MixedPrecision("16-mixed", "cuda")])  # ~ C042|C003
    n = L.Fabric(accelerator="cuda", precision="16-true")  # ~ C136|C003 C042
    o = L.Trainer(accelerator="cpu", max_epochs=3)  # ~ none
    return a, b, c, d, e, f, g, h, k, m, n, o


def shard(model):
    model = FSDP(model, device_id=torch.cuda.current_device(), cpu_offload=CPUOffload(offload_params=True))  # ~ C109 C008 C129
    model = FSDP(model, mixed_precision=FsdpPrecision(param_dtype=torch.float16))  # ~ C109 C042
    norm = model.clip_grad_norm_(1.0)  # ~ C120
    return model, norm


def collectives(dist, t, n):
    dist.init_process_group(backend="nccl", world_size=n, rank=0)  # ~ C103
    return t


def precision(model, x):
    model.half()  # ~ C042
    model = model.to(dtype=torch.half)  # ~ C042
    y = x.to(torch.bfloat16)  # ~ none
    with torch.amp.autocast("cuda", torch.bfloat16):  # ~ C039
        y = model(x)
    ok = torch.cuda.is_bf16_supported()  # ~ C023
    dtype = torch.bfloat16 if ok else torch.float16  # ~ C042
    scaler = torch.amp.GradScaler("cuda", enabled=dtype == torch.float16)  # ~ C040 C042? C003?
    z = torch.zeros(2, dtype=torch.half)  # ~ C042
    names = ["half", "double"]  # ~ none
    return y, scaler, z, names
