"""What to write instead of an operation that does not move."""

from __future__ import annotations

import difflib

from glia.frontends.torch.aten import RULES

_HINTS = {
    "nonzero": "keep all elements and choose with torch.where(mask, x, y)",
    "masked_select": "keep all elements and choose with torch.where(mask, x, y)",
    "unique": "compute the distinct values before the model is called",
    "_unique2": "compute the distinct values before the model is called",
    "unique_consecutive": "compute the distinct values before the model is called",
    "bincount": "sum a one-hot comparison: (x[:, None] == torch.arange(n)).sum(0)",
    "histc": "sum a one-hot comparison: (x[:, None] == torch.arange(n)).sum(0)",
    "sort": "sort outside the model, or take max(dim=...) where the largest is enough",
    "argsort": "sort outside the model, or take argmax(dim=...) where the largest is enough",
    "topk": "take max(dim=...) where the largest is enough, or choose outside the model",
    "kthvalue": "take max(dim=...) or min(dim=...), or choose outside the model",
    "median": "take mean(dim=...), or compute the median outside the model",
    "scatter": "compare an index with torch.arange and choose with torch.where",
    "scatter_add": "multiply by a one-hot matrix",
    "scatter_reduce": "multiply by a one-hot matrix",
    "index_add": "multiply by a one-hot matrix",
    "index_put": "choose with torch.where(mask, x, y), or assign to slices",
    "index_copy": "choose with torch.where(mask, x, y), or assign to slices",
    "masked_scatter": "choose with torch.where(mask, x, y)",
    "cumprod": "take exp(cumsum(log(x))) where x is positive",
    "lstm": "use attention or convolutions; recurrences do not move yet",
    "gru": "use attention or convolutions; recurrences do not move yet",
    "_local_scalar_dense": "keep the value as a tensor instead of calling .item()",
    "item": "keep the value as a tensor instead of calling .item()",
    "cond": "compute both sides and choose with torch.where",
    "while_loop": "unroll the loop in Python with a fixed number of steps",
    "map": "write the loop in Python over a fixed size",
    "scan": "write the loop in Python over a fixed size",
    "multinomial": "draw samples outside the model",
    "bernoulli": "draw random numbers outside the model and pass them as an input",
    "rand": "draw random numbers outside the model and pass them as an input",
    "randn": "draw random numbers outside the model and pass them as an input",
    "rand_like": "draw random numbers outside the model and pass them as an input",
    "randn_like": "draw random numbers outside the model and pass them as an input",
    "randint": "draw random numbers outside the model and pass them as an input",
    "native_dropout": "call .eval() semantics: pass training=self.training to dropout",
}


def hint_for(target: object, otherwise: str = "") -> str:
    """The nearest supported form of an op, e.g. `aten.topk.default`; else `otherwise`, if given."""
    name = str(target).removeprefix("aten.").split(".")[0]
    if name in _HINTS:
        return _HINTS[name]
    if otherwise:
        return otherwise
    if name.startswith(("fft_", "_fft", "stft", "istft", "complex", "view_as_complex", "polar")):
        return "write it with real numbers: cosine and sine parts as two tensors"
    if name.startswith(("linalg_", "cholesky", "svd", "qr", "inverse")):
        return "compute matrix factorisations outside the model"
    if not str(target).startswith("aten."):
        return "write the custom operation with PyTorch's own operations"
    near = difflib.get_close_matches(name, {r.split(".")[0] for r in RULES}, n=1, cutoff=0.75)
    if near:
        return f"the nearest supported operation is torch.{near[0]}"
    return "write it with elementwise, reduction and matrix operations"
