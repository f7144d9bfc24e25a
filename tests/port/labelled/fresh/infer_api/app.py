import base64
import os
from functools import lru_cache

import torch
from fastapi import FastAPI
from transformers import pipeline

app = FastAPI(title="runs on cuda")  # ~ none
DEVICE = 0 if torch.cuda.is_available() else -1  # ~ C006
HALF = os.environ.get("HALF", "1") == "1"  # ~ none


@lru_cache
def model():
    pipe = pipeline("asr", model="x", device=DEVICE, torch_dtype=torch.float16 if HALF else torch.float32)  # ~ C042
    pipe.model = torch.compile(pipe.model, mode="max-autotune")  # ~ C072 C073
    return pipe


@app.get("/health")
def health():
    free, total = torch.cuda.mem_get_info() if torch.cuda.is_available() else (0, 0)  # ~ C019:light C006
    return {"gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None, "free": free}  # ~ C021:light C006


@app.post("/run")
def run(item: dict):
    data = base64.b64decode(item["audio"])  # ~ none
    out = model()(data)  # ~ none
    torch.cuda.synchronize()  # ~ C016
    start = torch.cuda.Event(enable_timing=True)  # ~ C026
    return {"text": out["text"], "start": str(start)}
