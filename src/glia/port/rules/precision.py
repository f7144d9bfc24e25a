"""Rules about number formats."""

from __future__ import annotations

import ast

from glia.port.rules.conditions import (
    all_of,
    given_value,
    in_torch_file,
    is_value,
    last_name,
    no_arguments,
    of_integers,
)
from glia.port.rules.rule import Advice, Rule, keyword, method, operator, per_family, use
from glia.port.rules.sources import CODES, COMPILER, DIFFUSERS_TORCH, PROBE, error_code
from glia.port.source.dataflow.values import is_integer_tensor
from glia.port.source.hits import Hit

_INTEGER_TYPES = ("torch.int64", "torch.long", "torch.LongTensor")


def _is_turned(hit: Hit) -> bool:
    """`x.long()`: arrays of other libraries have no such method."""
    return no_arguments(hit)


def _of_64_bits(hit: Hit) -> bool:
    """Lightning's `precision="64-true"`."""
    value = given_value(hit)
    if isinstance(value, ast.Constant) and value.value == 64:
        return True
    return hit.module.string(value) in ("64", "64-true", "double", "float64")


def _product_of_integers(hit: Hit) -> bool:
    node = hit.node
    return isinstance(node, ast.BinOp) and all(
        is_integer_tensor(hit.module, side) for side in (node.left, node.right)
    )


def _unasked(hit: Hit) -> bool:
    """Not behind `if torch.is_complex(x)`, as optimizers have it."""
    outer = (n for n in hit.module.enclosing(hit.node) if isinstance(n, (ast.If, ast.IfExp)))
    asked = (_asks_for_complex(hit, node.test) for node in outer)
    return not any(asked)


def _asks_for_complex(hit: Hit, test: ast.expr) -> bool:
    func = test.func if isinstance(test, ast.Call) else None
    return getattr(func, "attr", "") == "is_complex"


def _may_grow(hit: Hit) -> bool:
    """A product of two tensors of integers, or with a large number that is written out."""
    node = hit.node
    if not isinstance(node, ast.BinOp):
        return False
    if any(_is_mask(side) for side in (node.left, node.right)):
        return False
    return all(_is_integer(hit, s) or _is_large(s) for s in (node.left, node.right)) and any(
        _is_integer(hit, s) for s in (node.left, node.right)
    )


def _is_integer(hit: Hit, node: ast.expr) -> bool:
    return is_integer_tensor(hit.module, node)


def _is_large(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is int and node.value >= 2**16


def _is_mask(node: ast.expr) -> bool:
    """`mask`, `x > 0`, and either of them as integers."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        node = node.func.value
    return isinstance(node, ast.Compare) or "mask" in last_name(node)


RULES: tuple[Rule, ...] = (
    Rule(
        id="C044",
        title="float64 is used",
        category="precision",
        why="the chips have no float64, or emulate it slowly",
        triggers=(
            use("torch.float64", "torch.double", "torch.DoubleTensor", when=is_value),
            method("double", when=_is_turned),
            keyword("precision", when=all_of(in_torch_file, _of_64_bits)),
        ),
        on={
            "neuron": Advice("raises", "compute the table on the CPU, convert it, then move it"),
            "tpu": Advice("slower", "float32"),
            "rocm": Advice("works", "leave it", "none"),
            "cpu": Advice("works", "leave it", "none"),
        },
        bad="import torch\nx = torch.zeros(3, dtype=torch.float64)\n",
        good="import torch\nx = torch.zeros(3, dtype=torch.float32)\n",
        grade="documented",
        sources=(CODES,),
    ),
    Rule(
        id="C046",
        title="complex numbers are used",
        category="precision",
        why="the compiler refuses complex types",
        triggers=(
            use(
                "torch.complex",
                "torch.complex64",
                "torch.complex128",
                "torch.cdouble",
                "torch.polar",
                when=is_value,
            ),
            use("torch.view_as_complex", "torch.view_as_real", "torch.cfloat", when=_unasked),
        ),
        on={
            "neuron": Advice("raises", "keep real and imaginary parts as two tensors", "hours"),
            "tpu": Advice("unknown", "keep real and imaginary parts as two tensors", "hours"),
            "rocm": Advice("works", "leave it", "none"),
            "cpu": Advice("works", "leave it", "none"),
        },
        bad="import torch\nf = torch.polar(r, t)\n",
        good="import torch\nf = torch.stack((torch.cos(t), torch.sin(t)))\n",
        grade="documented",
        sources=(CODES,),
    ),
    Rule(
        id="C047",
        title="a Fourier transform is used",
        category="ops",
        why="it gives complex numbers",
        triggers=(use("torch.fft.*", "torch.stft", "torch.istft"),),
        on={
            "neuron": Advice("raises", "do it on the CPU beforehand, or as a matmul", "hours"),
            "tpu": Advice("unknown", "do it on the CPU beforehand, or as a matmul", "hours"),
            "rocm": Advice("works", "leave it: rocFFT", "none"),
            "cpu": Advice("works", "leave it", "none"),
        },
        bad="import torch\ny = torch.fft.rfft(x)\n",
        good="import numpy as np\ny = np.fft.rfft(x)\n",
        grade="documented",
        sources=(CODES,),
    ),
    Rule(
        id="C045",
        title="64-bit integers are used",
        category="precision",
        why="the compiler makes 32 bits of them: values over 2**31 come out wrong",
        triggers=(
            method("long", when=_is_turned),
            use(*_INTEGER_TYPES, when=is_value),
        ),
        on=per_family(
            Advice(
                "unknown",
                "right while values stay below 2**31, as ids and labels do; else "
                "--native-int64=enabled; --implicit-integer-downcast=none tells",
            ),
            Advice("slower", "torch.int32: 64 bits are emulated"),
        ),
        bad="import torch\nindex = index.long()\n",
        good="import torch\nindex = index.to(torch.int32)\n",
        grade="documented",
        sources=(COMPILER, error_code("EVRF062"), DIFFUSERS_TORCH),
    ),
    Rule(
        id="C141",
        title="integers are multiplied, and may grow large",
        category="precision",
        why="64 bits become 32 on the way: what passes 2**31 is wrong, and nothing says so",
        triggers=(
            operator("*", when=_may_grow),
            use("torch.cumprod", "torch.pow", when=of_integers),
            method("cumprod", "pow", when=of_integers),
        ),
        on=per_family(
            Advice("silent", "--native-int64=enabled, float32 below 2**24, or the host"),
            Advice("slower", "torch.int32 where values fit: 64 bits are emulated"),
        ),
        bad="import torch\nids = torch.randint(0, 9, (4,))\nkey = ids * 1000003\n",
        good="import torch\nids = torch.randint(0, 9, (4,))\nkey = ids * 2\nn = 70000 * size\n",
        grade="documented",
        sources=(COMPILER, error_code("EVRF062")),
    ),
    Rule(
        id="C048",
        title="8-bit floating point is used",
        category="precision",
        why="the encodings differ from chip to chip: the same bits are other numbers",
        triggers=(
            use(
                "torch.float8_e4m3fn",
                "torch.float8_e5m2",
                "torch.float8_e4m3fnuz",
                "torch.float8_e5m2fnuz",
                "torch.float8_e8m0fnu",
                "torch._scaled_mm",
                when=is_value,
            ),
        ),
        on=per_family(
            Advice("raises", "quantise again, in the encoding of the chip", "days"),
            Advice("unknown", "see which encodings the chip has", "days"),
            Advice("silent", "MI300 has the fnuz encodings: quantise again", "hours"),
        ),
        bad="import torch\nw = w.to(torch.float8_e4m3fn)\n",
        good="import torch\nw = w.to(torch.bfloat16)\n",
        grade="documented",
        sources=(error_code("EVRF051"), error_code("EVRF052"), error_code("EVRF005"), PROBE),
    ),
    Rule(
        id="C091",
        title="integers are multiplied as matrices, or summed over ranks",
        category="ops",
        why="there is no integer data path: it is done in float32, exact to 2**24 only",
        triggers=(
            operator("@", when=_product_of_integers),
            use(
                "torch.matmul",
                "torch.mm",
                "torch.bmm",
                "torch.distributed.all_reduce",
                "torch.distributed.reduce_scatter_tensor",
                when=of_integers,
            ),
            method("matmul", "mm", "bmm", when=of_integers),
            use("torch._int_mm"),
        ),
        on=per_family(
            Advice("silent", "cast to float32 in so many words; keep sums below 2**24"),
            Advice("slower", "int8 is fast there, int64 slow"),
        ),
        bad="import torch\nn = torch.zeros(1, dtype=torch.int32)\n"
        "torch.distributed.all_reduce(n)\n",
        good="import torch\nn = torch.zeros(1)\ntorch.distributed.all_reduce(n)\n",
        grade="documented",
        sources=(error_code("EVRF035"), error_code("EVRF061"), error_code("EVRF063")),
    ),
)
