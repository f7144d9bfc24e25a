import math
import os
import random

import accelerate
import numpy as np
import torch
import torch.nn.functional as F
import torch.utils.checkpoint
from accelerate import Accelerator
from diffusers import DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.utils.import_utils import is_xformers_available
from transformers import CLIPTextModel

weight_dtype = torch.float32  # ~ none
accelerator = Accelerator(gradient_accumulation_steps=4, mixed_precision=args.mixed_precision)  # ~ none
if accelerator.mixed_precision == "fp16":  # ~ C042?
    weight_dtype = torch.float16  # ~ C042
elif accelerator.mixed_precision == "bf16":  # ~ none
    weight_dtype = torch.bfloat16  # ~ none

text_encoder = CLIPTextModel.from_pretrained(args.model, subfolder="text_encoder")  # ~ none
unet = UNet2DConditionModel.from_pretrained(args.model, subfolder="unet")  # ~ none
if args.enable_xformers_memory_efficient_attention:  # ~ none
    if is_xformers_available():  # ~ none
        import xformers  # ~ C057:light

        unet.enable_xformers_memory_efficient_attention()  # ~ C057:light
if args.gradient_checkpointing:
    unet.enable_gradient_checkpointing()  # ~ C121
if args.allow_tf32:
    torch.backends.cuda.matmul.allow_tf32 = True  # ~ C049
if args.use_8bit_adam:
    try:
        import bitsandbytes as bnb  # ~ C064:light
    except ImportError:
        raise ImportError("Please install bitsandbytes to use 8-bit Adam")  # ~ none
    optimizer_cls = bnb.optim.AdamW8bit  # ~ C065
else:
    optimizer_cls = torch.optim.AdamW  # ~ none
optimizer = optimizer_cls(unet.parameters(), lr=args.learning_rate)  # ~ none


def collate_fn(examples):
    pixel_values = torch.stack([example["pixel_values"] for example in examples])
    pixel_values = pixel_values.to(memory_format=torch.contiguous_format).float()  # ~ none
    return {"pixel_values": pixel_values}


train_dataloader = torch.utils.data.DataLoader(  # ~ C036
    train_dataset,
    shuffle=True,
    collate_fn=collate_fn,
    batch_size=args.train_batch_size,
    num_workers=args.dataloader_num_workers,  # ~ C035
)
for step, batch in enumerate(train_dataloader):
    latents = vae.encode(batch["pixel_values"].to(weight_dtype)).latent_dist.sample()
    noise = torch.randn_like(latents)  # ~ C031
    if args.noise_offset:  # ~ none
        noise += args.noise_offset * torch.randn((latents.shape[0], 1, 1, 1), device=latents.device)  # ~ C031 C088?
    timesteps = torch.randint(0, 1000, (latents.shape[0],), device=latents.device)  # ~ C031
    timesteps = timesteps.long()  # ~ C045
    model_pred = unet(scheduler.add_noise(latents, noise, timesteps), timesteps).sample
    loss = F.mse_loss(model_pred.float(), noise.float(), reduction="mean")
    avg_loss = accelerator.gather(loss.repeat(args.train_batch_size)).mean()
    train_loss += avg_loss.item() / args.gradient_accumulation_steps  # ~ C077
    accelerator.backward(loss)  # ~ none
    if accelerator.sync_gradients:  # ~ none
        accelerator.clip_grad_norm_(unet.parameters(), args.max_grad_norm)  # ~ C120?
    logs = {"step_loss": loss.detach().item(), "lr": lr_scheduler.get_last_lr()[0]}  # ~ C077
pipeline = StableDiffusionPipeline.from_pretrained(args.model, torch_dtype=weight_dtype)  # ~ none
pipeline.enable_sequential_cpu_offload()  # ~ C129
generator = torch.Generator(device=accelerator.device).manual_seed(args.seed)  # ~ C030
with torch.autocast("cuda"):  # ~ C039
    image = pipeline(args.validation_prompt, generator=generator).images[0]
del pipeline
torch.cuda.empty_cache()  # ~ C017
