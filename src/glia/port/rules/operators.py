"""Rules about operators that chips lack, refuse for some types, or do slowly."""

from __future__ import annotations

import ast
import re

from glia.port.rules.conditions import (
    all_of,
    argument_of,
    in_forward,
    is_given,
    last_name,
    of_integers,
    on_tensor,
    receiver,
)
from glia.port.rules.rule import (
    Advice,
    Family,
    Rule,
    imports,
    keyword,
    library,
    method,
    operator,
    per_family,
    string,
    use,
)
from glia.port.rules.sources import (
    EXPORT_PROBE,
    JAX_NEURON,
    NO_SORT,
    TROUBLESHOOT,
    error_code,
    neuron_sdk,
)
from glia.port.source.dataflow.values import is_tensor
from glia.port.source.hits import Hit

_PACKED = re.compile(r"^(q|qw|qweights?|qzeros?|packed\w*|\w*_packed|int4\w*|nibbles?)$")
_POSITIONS = re.compile(r"(^|_)(wpe|pos(itions?)?(_(emb\w*|encoding))?|embed_positions)$")
_HOST: dict[Family, Advice] = per_family(
    Advice("raises", "do it on the CPU", "hours"),
    Advice("unknown", "do it on the CPU where it is not lowered", "hours"),
)


def _shifts_tensor(hit: Hit) -> bool:
    """Evidently a tensor, or packed weights by their name."""
    if not isinstance(hit.node, ast.BinOp):
        return False
    left = hit.node.left
    return is_tensor(hit.module, left) or bool(_PACKED.search(last_name(left)))


def _no_integers(hit: Hit) -> bool:
    """Not evidently of integers, of which C092 speaks."""
    return not of_integers(hit)


def _of_evident_tensor(hit: Hit) -> bool:
    """Lists have a `sort` too."""
    return is_tensor(hit.module, receiver(hit))


def _unchecked_positions(hit: Hit) -> bool:
    """`self.wpe(pos)` in a forward that neither asserts nor refuses a length."""
    function = hit.module.scopes.function_of(hit.node)
    if function is None or not in_forward(hit) or not _POSITIONS.search(last_name(hit.node)):
        return False
    return not any(_refuses_lengths(node) for node in ast.walk(function))


def _refuses_lengths(node: ast.AST) -> bool:
    """`raise`, or an `assert` that one thing is smaller than another."""
    if not isinstance(node, ast.Assert):
        return isinstance(node, ast.Raise)
    orders = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
    compares = (n for n in ast.walk(node.test) if isinstance(n, ast.Compare))
    return any(isinstance(op, orders) for compare in compares for op in compare.ops)


def _accumulates(hit: Hit) -> bool:
    value = hit.argument("accumulate", 2)
    return isinstance(value, ast.Constant) and value.value is True and on_tensor(hit)


def _bicubic(hit: Hit) -> bool:
    return argument_of("torch.nn.functional.interpolate", "torch.nn.Upsample")(hit)


_DILATED = argument_of(
    "torch.nn.MaxPool1d",
    "torch.nn.MaxPool2d",
    "torch.nn.MaxPool3d",
    "torch.nn.ConvTranspose1d",
    "torch.nn.ConvTranspose2d",
    "torch.nn.ConvTranspose3d",
    "torch.nn.functional.max_pool1d",
    "torch.nn.functional.max_pool2d",
    "torch.nn.functional.max_pool3d",
    "torch.nn.functional.conv_transpose2d",
)

RULES: tuple[Rule, ...] = (
    Rule(
        id="C090",
        title="values are scattered or added by index",
        category="ops",
        why="integers are added in float32, exact to 2**24 only; an index from data is slow",
        triggers=(
            use("torch.scatter_add", "torch.index_add", "torch.scatter_reduce"),
            method(
                "scatter_add",
                "scatter_add_",
                "index_add",
                "index_add_",
                "scatter_reduce",
                "scatter_reduce_",
                when=on_tensor,
            ),
            method("index_put", "index_put_", when=_accumulates),
        ),
        on=per_family(
            Advice("unknown", "float operands; a product with one_hot for small ranges", "hours"),
            Advice("slower", "sort first", "hours"),
            Advice("unknown", "sums in changing order: mind it where runs are compared"),
        ),
        bad="import torch\ny = y.index_add(0, i, x)\n",
        good="import torch\ny = y.index_select(0, i)\n",
        grade="documented",
        sources=(
            error_code("EVRF016"),
            error_code("EVRF060"),
            "https://github.com/huggingface/diffusers/pull/13718",
        ),
    ),
    Rule(
        id="C092",
        title="integers are sorted or ranked",
        category="ops",
        why="the Neuron compiler refuses top-k of integers (NCC_EVRF013), and on trn2 every sort "
        "(C148)",
        triggers=(
            use("torch.topk", "torch.sort", "torch.argsort", when=of_integers),
            method("topk", "sort", "argsort", when=of_integers),
        ),
        on=per_family(
            Advice("raises", "topk of the values in float32, while ids stay below 2**24"),
            Advice("works", "leave it", "none"),
        ),
        bad="import torch\nids = torch.randint(0, 9, (4,))\ntop = torch.topk(ids, 2)\n",
        good="import torch\ntop = torch.topk(logits, 2)\nnames.sort()\n",
        grade="documented",
        sources=(error_code("EVRF013"), NO_SORT, EXPORT_PROBE),
    ),
    Rule(
        id="C148",
        title="a tensor of floats is sorted",
        category="ops",
        why="on trn2 the Neuron compiler refuses every sort (NCC_EVRF029, as reported: the code "
        "has no page), and points to top-k",
        triggers=(
            use("torch.sort", "torch.argsort", "torch.msort", when=_no_integers),
            method("sort", "argsort", "msort", when=all_of(_of_evident_tensor, _no_integers)),
        ),
        on=per_family(
            Advice("raises", "topk where the count is fixed; else sort on the CPU", "hours"),
            Advice("works", "leave it", "none"),
        ),
        bad="import torch\norder = torch.argsort(logits, descending=True)\n",
        good="import torch\ntop = torch.topk(logits, 2)\nnames.sort()\n",
        grade="seen",
        sources=(NO_SORT, error_code("EHCA005")),
    ),
    Rule(
        id="C093",
        title="bits of a tensor are shifted",
        category="ops",
        why="shifts exist for 32-bit integers only",
        triggers=(
            operator("<<", ">>", when=_shifts_tensor),
            use(
                "torch.bitwise_left_shift",
                "torch.bitwise_right_shift",
                "torch.__lshift__",
                "torch.__rshift__",
            ),
            method("bitwise_left_shift", "bitwise_right_shift", when=on_tensor),
        ),
        on=per_family(
            Advice("raises", "cast to torch.int32 first"),
            Advice("works", "leave it", "none"),
        ),
        bad="import torch\ny = torch.bitwise_right_shift(w, 4)\n",
        good="import torch\nn = size >> 4\n",
        grade="documented",
        sources=(error_code("EVRF022"), EXPORT_PROBE),
    ),
    Rule(
        id="C094",
        title="pooling or a transposed convolution is dilated",
        category="ops",
        why="the compiler refuses some pairs of stride and dilation",
        triggers=(keyword("dilation", when=lambda hit: _DILATED(hit) and is_given(hit)),),
        on=per_family(
            Advice("raises", "change the size first, then convolve or pool", "hours"),
            Advice("works", "leave it", "none"),
        ),
        bad="import torch\np = torch.nn.MaxPool2d(2, dilation=2)\n",
        good="import torch\nc = torch.nn.Conv2d(3, 3, 3, dilation=2)\n"
        "p = torch.nn.MaxPool2d(2, dilation=1)\n",
        grade="documented",
        sources=(error_code("EVRF018"), error_code("EVRF010"), error_code("EVRF011")),
    ),
    Rule(
        id="C095",
        title="positions are looked up without a check of the length",
        category="ops",
        why="a position beyond the table is an error of the compiler or of the runtime",
        triggers=(
            method(
                "wpe",
                "pos",
                "position",
                "positions",
                "embed_positions",
                "pos_embed",
                "position_embed",
                "pos_encoding",
                "position_encoding",
                "pos_emb",
                "pos_embedding",
                "pos_embeddings",
                "position_embedding",
                "position_embeddings",
                when=_unchecked_positions,
            ),
        ),
        on=per_family(
            Advice("raises", "assert that the length fits the table"),
            Advice("silent", "assert that the length fits the table: it takes the last row"),
        ),  # ROCm and the CPU raise where CUDA does: the move changes nothing
        bad="import torch\nclass M(torch.nn.Module):\n"
        "    def forward(self, i):\n        return self.wpe(i)\n",
        good="import torch\nclass M(torch.nn.Module):\n    def forward(self, i):\n"
        "        assert i.shape[0] <= self.n\n        return self.wpe(i)\n",
        grade="documented",
        sources=(error_code("EVRF056"),),
    ),
    Rule(
        id="C096",
        title="a grid is sampled, or an image is resized bicubically",
        category="ops",
        why="reported as not supported, or in part",
        triggers=(
            use("torch.nn.functional.grid_sample"),
            string("bicubic", when=_bicubic),
        ),
        on=per_family(
            Advice("raises", "on the CPU, or as a gather", "hours"),
            Advice("slower", "leave it", "none"),
        ),
        bad="import torch.nn.functional as F\ny = F.grid_sample(x, g)\n",
        good='import torch.nn.functional as F\ny = F.interpolate(x, mode="bilinear")\n',
        grade="seen",
        sources=(neuron_sdk("issues/698"), EXPORT_PROBE),
    ),
    Rule(
        id="C097",
        title="boxes are chosen or pooled by torchvision's operators",
        category="ops",
        why="they are kernels for CUDA and the CPU, and their results depend on the data",
        triggers=(
            use(
                "torchvision.ops.nms",
                "torchvision.ops.batched_nms",
                "torchvision.ops.roi_align",
                "torchvision.ops.roi_pool",
                "torchvision.ops.deform_conv2d",
                "torchvision.ops.RoIAlign",
                "torchvision.ops.DeformConv2d",
                "torchvision.ops.MultiScaleRoIAlign",
                "torchvision.ops.boxes.nms",
                "torchvision.ops.boxes.batched_nms",
                "torchvision.ops.RoIPool",
                "torch.ops.torchvision.*",
            ),
            imports("mmcv.ops"),
        ),
        on=per_family(
            Advice(
                "raises", "cut the model: the backbone on the chip, the rest on the CPU", "days"
            ),
            Advice(
                "raises", "cut the model: the backbone on the chip, the rest on the CPU", "days"
            ),
        ),
        bad="from torchvision.ops import nms\nkeep = nms(boxes, scores, 0.5)\n",
        good="from torchvision.ops import box_iou\niou = box_iou(a, b)\n",
        grade="seen",
        sources=("https://github.com/pytorch/pytorch/issues/146152", neuron_sdk("issues/698")),
    ),
    Rule(
        id="C098",
        title="matrices are factored or inverted",
        category="ops",
        why="few of torch.linalg's factorizations are lowered for these chips",
        triggers=(
            use(
                *(
                    f"torch.linalg.{name}"
                    for name in (
                        "svd",
                        "svdvals",
                        "eig",
                        "eigh",
                        "eigvals",
                        "eigvalsh",
                        "inv",
                        "pinv",
                        "qr",
                        "cholesky",
                        "solve",
                        "lstsq",
                        "lu",
                        "lu_factor",
                        "det",
                        "slogdet",
                        "matrix_rank",
                        "inv_ex",
                        "cholesky_ex",
                        "matrix_exp",
                    )
                )
            ),
            use(
                "torch.svd",
                "torch.inverse",
                "torch.cholesky",
                "torch.qr",
                "torch.pinverse",
                "torch.det",
                "torch.logdet",
                "torch.svd_lowrank",
                "torch.pca_lowrank",
            ),
        ),
        on={**_HOST, "neuron": Advice("raises", "on the CPU, or by Newton-Schulz steps", "days")},
        bad="import torch\nu, s, v = torch.linalg.svd(w)\n",
        good="import torch\nn = torch.linalg.vector_norm(w)\n",
        grade="documented",
        sources=(TROUBLESHOOT, EXPORT_PROBE),
    ),
    Rule(
        id="C099",
        title="sparse tensors are used",
        category="ops",
        why="these chips have no sparse layout",
        triggers=(
            use(
                "torch.sparse.*",
                "torch.sparse_coo_tensor",
                "torch.sparse_csr_tensor",
                "torch.sparse_compressed_tensor",
                "torch.sparse_bsr_tensor",
            ),
            method("to_sparse", "to_sparse_csr", "to_sparse_coo", when=on_tensor),
            *library(
                "torch_scatter",
                "torch_sparse",
                "torch_cluster",
                "torch_geometric",
                "spconv",
                "MinkowskiEngine",
                "torchsparse",
                "dgl",
            ),
        ),
        on=per_family(
            Advice("raises", "dense tensors or sums by segments; else stay on the GPU", "days"),
            Advice("raises", "dense tensors", "days"),
        ),
        bad="import torch\ny = x.to_sparse()\n",
        good="import torch\ny = x.to_dense()\n",
        grade="documented",
        sources=(JAX_NEURON, EXPORT_PROBE),
    ),
    Rule(
        id="C101",
        title="tokens are sampled on the device",
        category="ops",
        why="it sorts the vocabulary, and each way of sampling is another graph",
        triggers=(
            use("torch.multinomial"),
            method("multinomial", when=on_tensor),
        ),
        on=per_family(
            Advice("slower", "the sampler of the serving stack, or the host", "hours"),
            Advice("slower", "pad the batch of the sampler", "hours"),
        ),
        bad="import torch\nnext_id = torch.multinomial(p, 1)\n",
        good="import torch\nnext_id = torch.argmax(p, dim=-1)\n",
        grade="seen",
        sources=("https://github.com/vllm-project/vllm/pull/14510",),
    ),
    Rule(
        id="C102",
        title="a loss or a recurrence over sequences of different lengths",
        category="ops",
        why="the shape of the result depends on the data, and it is not lowered",
        triggers=(
            use(
                "torch.nn.CTCLoss",
                "torch.nn.functional.ctc_loss",
                "torch.nn.utils.rnn.pack_padded_sequence",
                "torch.nn.utils.rnn.pack_sequence",
                "torch.nn.utils.rnn.pad_packed_sequence",
            ),
        ),
        on=per_family(
            Advice("raises", "the loss on the CPU; padded sequences with a mask", "hours"),
            Advice("slower", "it falls back to the CPU", "hours"),
        ),
        bad="import torch\nloss = torch.nn.CTCLoss()\n",
        good="import torch\nloss = torch.nn.CrossEntropyLoss()\n",
        grade="documented",
        sources=(TROUBLESHOOT, EXPORT_PROBE),
    ),
)
