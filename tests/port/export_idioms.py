"""The model idioms of the probe of torch.export, rebuilt: name, lines of forward(x), inputs.

Each names what a check has to say of it, labelled by reading the code and the pages of the Neuron
compiler, not by running the check.
"""

F4 = "torch.randn(4, 4)"
I6 = "torch.arange(6)"
IMAGE = "torch.randn(1, 2, 8, 8)"

# name: (forward, inputs, identifiers that must speak); `~` marks one that may speak as well.
IDIOMS: dict[str, tuple[str, str, str]] = {
    "if x.sum()>0": ("if x.sum() > 0:\n    return x * 2\nreturn x", F4, "G001"),
    ".item() scalar arith": ("return x * x.sum().item()", F4, "G002"),
    ".item() as slice len": ("return x[: (x.sum() * 0 + 2).int().item()]", F4, "G002 G007"),
    "int(t) range loop": (
        "for _ in range(int(x.sum() * 0 + 2)):\n    x = x + 1\nreturn x",
        F4,
        "G002",
    ),
    "while tensor cond": ("while x.sum() < 100:\n    x = x.abs() + 9\nreturn x", F4, "G001"),
    "nonzero": ("return x.nonzero()", F4, "G006"),
    "bool mask index": ("return x[x > 0]", F4, "G006"),
    "masked_select": ("return torch.masked_select(x, x > 0)", F4, "G006"),
    "unique": ("return torch.unique(x)", I6, "G006"),
    "where 1-arg": ("return torch.where(x > 0)[0]", F4, "G006"),
    "repeat_interleave(tensor)": (
        "return torch.repeat_interleave(x, torch.tensor([1, 2, 3, 1]), dim=0)",
        F4,
        "G006",
    ),
    "tolist()": ("a = x.tolist()\nreturn torch.tensor(a)", I6, "G003"),
    ".numpy() round trip": ("return torch.from_numpy(x.numpy() + 1)", F4, "G003"),
    ".cpu().detach()": ("return x.cpu().detach() + 1", F4, "G003"),
    "print(tensor)": ("print(x)\nreturn x + 1", F4, "G004"),
    "assert on tensor": ("assert (x < 99).all()\nreturn x", F4, "G001"),
    "isnan().any() branch": ("if torch.isnan(x).any():\n    x = x * 0\nreturn x", F4, "G001"),
    "random.random() drop path": (
        "import random\nreturn x if random.random() < 0.5 else x * 0",
        F4,
        "G010",
    ),
    "np.random in forward": ("import numpy as np\nreturn x + np.random.rand()", F4, "G010"),
    "torch.rand in forward": ("return x + torch.rand_like(x)", F4, "G050"),
    "dropout train": ("return F.dropout(x, 0.5, training=True)", F4, "G050"),
    "multinomial": ("return torch.multinomial(x.softmax(-1), 2)", F4, "G050"),
    "randperm": ("return x[torch.randperm(4)]", F4, "G050"),
    "inplace add_ on input": ("x.add_(1)\nreturn x", F4, ""),
    "inplace slice/view write": ("y = x.clone()\ny[:, 0] = 1\nreturn y * 2", F4, ""),
    "index_put_ accumulate": (
        "y = torch.zeros(4)\ny.index_put_((torch.tensor([0, 0]),), x[0, :2], accumulate=True)\n"
        "return y",
        F4,
        "",
    ),
    "scatter_add int64": (
        "return torch.zeros(6, dtype=torch.int64).scatter_add(0, x, torch.ones_like(x))",
        I6,
        "G024",
    ),
    "scatter_add float": (
        "return torch.zeros(4).scatter_add(0, torch.tensor([0, 1, 1, 2]), x[0])",
        F4,
        "",
    ),
    "int64 matmul": ("return x.unsqueeze(0) @ x.unsqueeze(1)", I6, "G023"),
    "topk on int": ("return x.topk(2).values", I6, "G027"),
    "topk float": ("return x.topk(2).values", F4, ""),
    "sort": ("return x.sort().values", F4, "G052"),
    "argsort stable": ("return torch.argsort(x, stable=True)", F4, "G052"),
    "cumsum": ("return x.cumsum(0)", F4, ""),
    "float64 rope freqs": (
        "f = 1.0 / 10000 ** (torch.arange(4, dtype=torch.float64) / 4)\nreturn x * f.float()",
        F4,
        "G021",
    ),
    "python float promotes? np.sqrt": ("import numpy as np\nreturn x / np.sqrt(64)", F4, "~G021"),
    "complex rope view_as_complex": (
        "c = torch.view_as_complex(x.view(4, 2, 2))\n"
        "return torch.view_as_real(c * torch.polar(torch.ones(4, 2), torch.ones(4, 2)))",
        F4,
        "G020",
    ),
    "fft.rfft": ("return torch.fft.rfft(x).abs()", F4, "G020"),
    "stft": (
        "return torch.stft(x.view(-1), 8, window=torch.hann_window(8), return_complex=True).abs()",
        F4,
        "G020",
    ),
    "linalg.svd": ("return torch.linalg.svd(x)[1]", F4, "G045"),
    "linalg.inv": ("return torch.linalg.inv(x @ x.T + torch.eye(4))", F4, "G045"),
    "grid_sample": (
        "return F.grid_sample(x, torch.zeros(1, 2, 2, 2), align_corners=False)",
        IMAGE,
        "G046",
    ),
    "interpolate bicubic scale": (
        'return F.interpolate(x, scale_factor=2, mode="bicubic")',
        IMAGE,
        "G046",
    ),
    "adaptive_avg_pool2d 7x7": ("return F.adaptive_avg_pool2d(x, 7)", IMAGE, "~G060"),
    "dilated conv": ("return F.conv2d(x, torch.ones(1, 2, 3, 3), dilation=2)", IMAGE, ""),
    "conv_transpose stride dil": (
        "return F.conv_transpose2d(x, torch.ones(2, 1, 3, 3), stride=2, dilation=2)",
        IMAGE,
        "G033",
    ),
    "dilated maxpool": ("return F.max_pool2d(x, 2, dilation=2)", IMAGE, "G035"),
    "sdpa causal": (
        "return F.scaled_dot_product_attention(x, x, x, is_causal=True)",
        "torch.randn(1, 2, 4, 8)",
        "",
    ),
    "sparse coo mm": ("return torch.sparse.mm(x.to_sparse(), torch.ones(4, 4))", F4, "G043 ~G009"),
    "embedding_bag": ("return F.embedding_bag(x.unsqueeze(0), torch.ones(6, 3))", I6, "~G060"),
    "ctc_loss": (
        "n = torch.tensor([4])\n"
        "return F.ctc_loss(x.log_softmax(-1), torch.ones(1, 2, dtype=torch.long), n, n // 2)",
        "torch.randn(4, 1, 4)",
        "G006 ~G005",
    ),
    "LSTM": ("return torch.nn.LSTM(4, 4)(x.view(2, 2, 4))[0]", F4, "G051 ~G009 ~G050"),
    "bincount": ("return torch.bincount(x)", I6, "G006 ~G024"),
    "one_hot no classes": ("return F.one_hot(x)", I6, "G005"),
    "one_hot n=4": ("return F.one_hot(x, 6)", I6, ""),
    "triu mask inf": ("return x + torch.full((4, 4), float('-inf')).triu(1)", F4, ""),
    "bitshift int8": ("return x.to(torch.int8) >> 2", I6, "G028"),
    "uint8 unpack 4bit": (
        "y = x.to(torch.uint8)\nreturn torch.stack([y & 15, y >> 4], -1)",
        I6,
        "G028",
    ),
    "pow int64": ("return x**2", I6, "G026"),
    "torch.cond": (
        "return torch.cond(x.sum() > 0, lambda y: y * 2, lambda y: y - 1, (x,))",
        F4,
        "G049",
    ),
    "checkpoint": (
        "from torch.utils.checkpoint import checkpoint\n"
        "return checkpoint(torch.sin, x, use_reentrant=False)",
        F4,
        "",
    ),
    "nan_to_num+clamp": ("return torch.nan_to_num(x).clamp(0, 1)", F4, ""),
    "as_strided": ("return x.as_strided((2, 2), (1, 2)) + 1", F4, "G047"),
    "requires_grad flip / .data": ("x.data = x.data * 2\nreturn x", F4, "G008 ~G009"),
    "loss.item() logging": (
        "loss = x.mean()\nif loss.item() > 99:\n    x = x * 2\nreturn x",
        F4,
        "G002",
    ),
    "cdist": ("return torch.cdist(x, x)", F4, "~G060"),
    "quantile": ("return torch.quantile(x, 0.5)", F4, "G052"),
    "median": ("return x.median()", F4, "G052"),
    "var_len pad to max()": ("return x[: (x.max() * 0 + 2).item()]", I6, "G002 G007"),
}
