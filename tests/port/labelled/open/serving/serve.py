import argparse
import os

os.environ["CUDA_VISIBLE_DEVICES"] = "0,1"  # ~ C105
os.environ["CUDA_LAUNCH_BLOCKING"] = "1"  # ~ C106
os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # ~ C106
os.environ["TOKENIZERS_PARALLELISM"] = "false"  # ~ none

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from vllm import LLM  # ~ C133


def engine(args):
    return LLM(  # ~ C133?
        model=args.model,
        tensor_parallel_size=args.tp,  # ~ C110
        gpu_memory_utilization=0.92,  # ~ C133
        quantization="awq",  # ~ C069|C133
    )


def plain(name):
    tok = AutoTokenizer.from_pretrained(name)  # ~ none
    model = AutoModelForCausalLM.from_pretrained(name, device_map="auto", torch_dtype=torch.float16)  # ~ C128 C042
    batch = tok(["a", "b c"], return_tensors="pt", padding=True).to("cuda")  # ~ C085 C002
    fixed = tok(["a"], return_tensors="pt", padding="max_length", max_length=128)  # ~ none
    longest = tok(["a", "bb"], return_tensors="pt", padding="longest").to(model.device)  # ~ C085
    out = model.generate(**batch, max_new_tokens=20)
    ids = out.cpu().tolist()  # ~ C078
    return tok.decode(ids[0]), fixed, longest  # ~ none


def decode_loop(model, ids, eos, max_len):
    finished = torch.zeros(ids.size(0), dtype=torch.bool, device=ids.device)
    cache_k = None
    while not finished.all():  # ~ C080
        logits, k = model(ids, cache_k)
        cache_k = k if cache_k is None else torch.cat([cache_k, k], dim=1)  # ~ C086
        nxt = logits[:, -1].argmax(-1)
        finished = finished | (nxt == eos)
        ids = torch.cat([ids, nxt[:, None]], dim=-1)  # ~ C086
        if len(ids[0]) > max_len:  # ~ none
            break
    return ids


def top_p(logits, p):
    vals, idx = torch.sort(logits, descending=True)  # ~ C148
    cum = vals.softmax(-1).cumsum(-1)
    vals[cum > p] = float("-inf")  # ~ C088
    pick = vals.softmax(-1).multinomial(1)  # ~ C101
    return idx.gather(-1, pick)  # ~ none


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--tp", type=int, default=2)  # ~ none
    ap.add_argument("--device", type=str, default="cuda:0", help="where")  # ~ C003
    ap.add_argument("--model")  # ~ none
    a = ap.parse_args()
    engine(a)
