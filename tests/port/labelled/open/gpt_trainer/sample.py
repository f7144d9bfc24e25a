import argparse

import torch

parser = argparse.ArgumentParser(description="Sample; pass --device cuda for a GPU")  # ~ none
parser.add_argument("--device", default="cuda", help="cpu, cuda, cuda:0")  # ~ C003
parser.add_argument("--dtype", type=str, default="float16", choices=["float16", "bfloat16"])  # ~ C042
parser.add_argument("--seed", type=int, default=7)
args = parser.parse_args()

torch.manual_seed(args.seed)
torch.cuda.manual_seed(args.seed)  # ~ none
ckpt = torch.load("ckpt.pt")  # ~ C125
safe = torch.load("ckpt.pt", map_location=args.device)  # ~ none
model = build(ckpt["args"])
model.eval().half().to(args.device)  # ~ C042
with torch.no_grad(), torch.autocast("cuda", dtype=torch.float16):  # ~ C039 C042?
    out = model.generate(torch.tensor([[1, 2]], device=args.device), 100)
print(decode(out[0].tolist()))  # ~ C078
