"""Rules about kernels: attention, Triton, operators of one's own."""

from __future__ import annotations

import ast

from glia.port.rules.conditions import in_torch_file, is_called, is_not_none, is_true
from glia.port.rules.libraries import PACKED_ATTENTION
from glia.port.rules.rule import HIP, Advice, Rule, keyword, per_family, setting, string, use
from glia.port.rules.sources import NATIVE, RECOMPILATION
from glia.port.source.hits import Hit

_PORTABLE = {"aten", "prims", "prim", "higher_order", "load_library", "import_module"}
_KEYS = {"CUDA", "AutocastCUDA", "AutogradCUDA"}


def _own_operator(hit: Hit) -> bool:
    """`torch.ops.mine.f`: not one of PyTorch's own namespaces."""
    return hit.key.split(".")[2] not in _PORTABLE


def _for_cuda(hit: Hit) -> bool:
    """A dispatch key, given to `impl`, `Library` or `register_kernel`."""
    func = hit.call.func if hit.call is not None else None
    name = getattr(func, "attr", getattr(func, "id", ""))
    return name in ("impl", "Library", "register_kernel") and in_torch_file(hit)


def _registers_for_cuda(hit: Hit) -> bool:
    """`@torch.library.register_kernel("mine::f", "cuda")`."""
    return hit.module.string(hit.argument("device_types", 1)) in ("cuda", "CUDA")


def _starts_kernels(hit: Hit) -> bool:
    """The class launches a Triton kernel, or calls an operator or extension of its own."""
    outer = hit.module.parents.get(hit.node)
    return isinstance(outer, ast.ClassDef) and any(_is_kernel(hit, n) for n in ast.walk(outer))


def _is_kernel(hit: Hit, node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Subscript):
        return True  # kernel[grid](...)
    name = hit.module.dotted(node.func)
    if name.startswith("torch.ops."):
        return name.split(".")[2] not in _PORTABLE
    return any(part.endswith(("_cuda", "_C", "_ext")) for part in name.split("."))


RULES: tuple[Rule, ...] = (
    Rule(
        id="C053",
        title="scaled_dot_product_attention is used",
        category="kernels",
        why="portable; where no fused kernel is, it is done in parts",
        triggers=(use("torch.nn.functional.scaled_dot_product_attention", when=is_called),),
        on=per_family(
            Advice("slower", "leave it first; then an attention kernel of nki-library", "none"),
            Advice("slower", "leave it first; then torch_xla's flash_attention", "none"),
        ),
        bad="import torch.nn.functional as F\ny = F.scaled_dot_product_attention(q, k, v)\n",
        good="import torch.nn.functional as F\ny = F.softmax(s, dim=-1)\n",
        grade="documented",
        sources=(
            "https://github.com/pytorch/xla/blob/master/torch_xla/experimental/custom_kernel.py",
            "https://github.com/aws-neuron/nki-library",
        ),
    ),
    Rule(
        id="C055",
        title="sequences are packed behind each other",
        category="kernels",
        why="the lengths change with every step, and with them the shapes",
        triggers=(
            setting("cu_seqlens", "cu_seqlens_q", "cu_seqlens_k", when=is_not_none),
            keyword("cu_seqlens", "cu_seqlens_q", "cu_seqlens_k", "cu_seqlens_kv", "cu_seq_lens_q"),
            use(*PACKED_ATTENTION),
        ),
        on=per_family(
            Advice("raises", "packs of fixed length with a mask in blocks", "days"),
            Advice("slower", "packs of fixed length, or a ragged Pallas kernel", "days"),
            Advice("unknown", "the varlen kernels of its flash-attention", "hours"),
            Advice("raises", "a mask in blocks", "hours"),
        ),
        bad="y = attend(q, k, v, cu_seqlens=bounds)\n",
        good="y = attend(q, k, v, mask=mask)\n",
        grade="seen",
        sources=("https://github.com/pytorch/torchtitan/pull/4778", RECOMPILATION),
    ),
    Rule(
        id="C056",
        title="flash-attention is chosen by configuration",
        category="kernels",
        why="the model does not load where the package is missing",
        triggers=(
            string("flash_attention_2", "flash_attention_3"),
            keyword("use_flash_attention_2", when=is_true),
        ),
        on=per_family(
            Advice("raises", '"sdpa" or "eager"'),
            Advice("raises", '"sdpa"'),
            Advice("unknown", "leave it where flash-attention is built"),
            Advice("raises", '"sdpa"'),
        ),
        bad='m = load(n, attn_implementation="flash_attention_2")\n',
        good='m = load(n, attn_implementation="sdpa")\n',
        grade="seen",
        sources=("https://github.com/ROCm/flash-attention/issues/50",),
    ),
    Rule(
        id="C058",
        title="flex_attention is used",
        category="kernels",
        why="its code is generated for Triton",
        triggers=(use("torch.nn.attention.flex_attention.*"),),
        on=per_family(
            Advice("unknown", 'compile that part with backend="neuron", or a dense mask', "hours"),
            Advice("raises", "a dense mask, or Pallas's splash attention", "hours"),
            Advice("works", "leave it", "none"),
            Advice("slower", "leave it for trials", "none"),
        ),
        bad="from torch.nn.attention.flex_attention import flex_attention\n"
        "y = flex_attention(q, k, v)\n",
        good="import torch\ny = torch.softmax(s, dim=-1)\n",
        grade="documented",
        sources=(NATIVE,),
    ),
    Rule(
        id="C059",
        title="a kernel is written in Triton",
        category="kernels",
        why="Triton does not compile for these chips",
        triggers=(use("triton.jit", "triton.JITFunction", "triton.autotune", "triton.heuristics"),),
        on=per_family(
            Advice("raises", "write it in NKI, or take one of nki-library", "days"),
            Advice("raises", "write it in Pallas", "days"),
            Advice("works", "tune it again", "hours"),
            Advice("raises", "keep a form in PyTorch beside it", "hours"),
        ),
        bad="import triton\n@triton.jit\ndef add(x):\n    pass\n",
        good="import numba\n@numba.jit\ndef add(x):\n    pass\n",
        grade="documented",
        sources=(
            NATIVE,
            "https://github.com/meta-pytorch/tritonbench/pull/1123",
            "https://github.com/meta-pytorch/triton-cpu/pull/2",
        ),
    ),
    Rule(
        id="C062",
        title="an operator of one's own is registered or called",
        category="kernels",
        why="no kernel is registered for other devices",
        triggers=(
            use("torch.ops.*", when=_own_operator),
            string(*sorted(_KEYS), when=_for_cuda),
            keyword("device_types", when=in_torch_file),
            use("torch.library.register_kernel", when=_registers_for_cuda),
        ),
        on=per_family(
            Advice("raises", "register a form in PyTorch operators, or in NKI", "days"),
            Advice("raises", "register a form in PyTorch operators, or in Pallas", "days"),
            HIP,
            Advice("raises", "register a form for the CPU", "hours"),
        ),
        bad="import torch\ny = torch.ops.mine.rotate(x)\n",
        good="import torch\ny = torch.ops.aten.add(x, x)\n",
        grade="documented",
        sources=(NATIVE,),
    ),
    Rule(
        id="C123",
        title="a gradient of one's own calls a CUDA kernel",
        category="kernels",
        why="forward and backward must be written for the other chip",
        triggers=(
            use(
                "torch.autograd.Function", "torch.autograd.function.Function", when=_starts_kernels
            ),
        ),
        on=per_family(
            Advice("raises", "a custom operator in NKI, with register_autograd", "days"),
            Advice("raises", "a custom operator in Pallas, with its gradient", "days"),
            HIP,
            Advice("raises", "a form in PyTorch operators", "hours"),
        ),
        bad="import torch\nclass F(torch.autograd.Function):\n"
        "    def forward(c, x):\n        kernel[(4,)](x)\n        return x\n",
        good="import torch\nclass F(torch.autograd.Function):\n"
        "    def forward(c, x):\n        return x.exp()\n",
        grade="documented",
        sources=(NATIVE,),
    ),
)
