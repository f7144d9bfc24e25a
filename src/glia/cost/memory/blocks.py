"""The parts that models are made of: each function gives parameters and what training keeps.

What is kept is what the modules of transformers keep in eager PyTorch on a CPU, tensor by tensor;
`tests/port/fit` measures it. h is the hidden size, q the width of all query heads.
"""

from __future__ import annotations

from dataclasses import replace

from glia.cost.memory.architecture import Block, Kept, Split, Weight

GATED = "gated product"
# What attention gives, as its kernel made it and in the order of the tokens.
RESULT, IN_ORDER = "attention result", "attention result, in order"


def linear(
    name: str, rows: int, columns: int, split: Split, *, bias: bool = False, kv_rows: int = 0
) -> Block:
    """A linear map of `columns` inputs to `rows` outputs; `kv_rows` of them make keys and values.

    A bias is split only where the outputs are: after `heads` or `width` inputs it is whole.
    """
    weight = Weight(f"{name}.weight", (rows, columns), split, kv_rows * columns, is_linear=True)
    if not bias:
        return Block((weight,))
    return Block((weight, Weight(f"{name}.bias", (rows,), split, kv_rows)))


def output_linear(
    name: str, rows: int, columns: int, split: Split, bias: bool, reads: str = ""
) -> Block:
    """A linear map back to the hidden size: its inputs are split, so its bias is whole."""
    (weight,) = linear(name, rows, columns, split).weights
    block = Block((replace(weight, cuts_inputs=True, reads=reads),))
    return block + Block((Weight(f"{name}.bias", (rows,)),)) if bias else block


def reading(name: str, block: Block) -> Block:
    """The block whose linear maps read the kept tensor `name`, but for those that read another."""
    weights = (replace(w, reads=name) if w.is_linear and not w.reads else w for w in block.weights)
    return replace(block, weights=tuple(weights))


def layer_norm(name: str, size: int, bias: bool = True, affine: bool = True) -> Block:
    """Layer norm; keeps its result, a mean and a deviation per token."""
    weights = [Weight(f"{name}.weight", (size,))] if affine else []
    if bias and affine:
        weights.append(Weight(f"{name}.bias", (size,)))
    kept = (
        Kept(f"{name} result", size, is_matmul=True, for_weights=True),
        Kept(f"{name} statistics", 2, kind="model"),
    )
    return Block(tuple(weights), kept)


def rms_norm(name: str, size: int, *, feeds_product: bool = True, wide: bool = False) -> Block:
    """RMS norm written in Python: its input in float32, the scaled value, and the result.

    The input is the stream itself, or a copy of it when the model's format is narrower. With
    `wide` the scaled value is in float32 too. What follows a block feeds a sum that keeps nothing.
    """
    kept = [
        Kept(f"{name} input", size, kind="float32"),
        Kept(f"{name} scaled", size, kind="float32" if wide else "model", for_weights=True),
        Kept(f"{name} deviation", 1, kind="float32"),
    ]
    if feeds_product:
        kept.append(Kept(f"{name} result", size, is_matmul=True, for_weights=True))
    return Block((Weight(f"{name}.weight", (size,)),), tuple(kept))


def head_norm(name: str, heads: int, head_dim: int, split: Split, *, wide: bool = False) -> Block:
    """RMS norm of every query or key head, one weight of `head_dim` for all heads."""
    size = heads * head_dim
    kept = (
        Kept(f"{name} input", size, split=split, kind="float32"),
        Kept(
            f"{name} scaled",
            size,
            split=split,
            kind="float32" if wide else "model",
            for_weights=True,
        ),
        Kept(f"{name} deviation", heads, split=split, kind="float32"),
    )
    return Block((Weight(f"{name}.weight", (head_dim,)),), kept)


def python_layer_norm(name: str, size: int) -> Block:
    """Layer norm without bias written in Python, as Cohere's: the difference twice, in float32."""
    kept = (
        Kept(f"{name} differences", 2 * size, kind="float32"),
        Kept(f"{name} scaled", size, kind="float32", for_weights=True),
        Kept(f"{name} result", size, is_matmul=True, for_weights=True),
        Kept(f"{name} deviation", 1, kind="float32"),
    )
    return Block((Weight(f"{name}.weight", (size,)),), kept)


def residual(name: str, size: int, *, for_weights: bool = False) -> Block:
    """The stream that a block reads, for what does not keep it in another form."""
    return Block(kept=(Kept(f"{name} input", size, for_weights=for_weights),))


def dropout(name: str, size: float, probability: float, split: Split = "all") -> Block:
    """Dropout as the CPU does it: the mask in the model's format, and nothing when it is off."""
    return Block(kept=(Kept(f"{name} mask", size, split=split),) if probability else ())


def fused_attention(
    num_heads: int,
    num_kv_heads: int,
    head_dim: int,
    *,
    copies_output: bool = False,
    value_dim: int | None = None,
) -> Block:
    """Attention in one kernel: queries, keys, values, result, and a float32 sum per head."""
    value_dim = head_dim if value_dim is None else value_dim
    kept = [
        Kept("queries", num_heads * head_dim, split="heads", is_matmul=True),
        Kept("keys", num_kv_heads * head_dim, split="kv", is_matmul=True),
        Kept("values", num_kv_heads * value_dim, split="kv", is_matmul=True),
        Kept(RESULT, num_heads * value_dim, split="heads", is_matmul=True),
        Kept("attention sums", num_heads, split="heads", kind="float32", is_matmul=True),
    ]
    if copies_output:
        kept.append(Kept(IN_ORDER, num_heads * value_dim, split="heads", for_weights=True))
    return Block(kept=tuple(kept))


def window_mask(num_heads: int, num_kv_heads: int, head_dim: int, window: int) -> Block:
    """What a sliding window adds when it cuts: a mask, and keys and values repeated per head."""
    repeated = 0 if num_heads == num_kv_heads else 2 * num_heads * head_dim
    kept = (
        Kept("repeated keys and values", repeated, split="heads", from_length=window),
        Kept("mask", per_score=1, from_length=window),
    )
    return Block(kept=kept)


def math_attention(
    num_heads: int,
    num_kv_heads: int,
    head_dim: int,
    *,
    probability: float = 0.0,
    is_cached: bool = True,
    value_dim: int | None = None,
    always: bool = False,
) -> Block:
    """Attention whose scores exist: in float32, three times with dropout (weights, mask, product).

    `is_cached` says that a KV cache holds keys and values as well, `always` that scores exist
    without dropout too.
    """
    value_dim = head_dim if value_dim is None else value_dim
    q, v = num_heads * head_dim, num_heads * value_dim
    kept = [
        Kept(
            "attention weights",
            per_score=num_heads,
            split="heads",
            kind="float32",
            in_training=not always,
        ),
        Kept("queries", q, split="heads", kind="float32", is_matmul=True),
        Kept("keys", q, split="heads", kind="float32", is_matmul=True),
        Kept("values", v, split="heads", kind="float32", is_matmul=True),
        Kept(RESULT, v, split="heads", is_matmul=True, for_weights=True),
    ]
    if probability:
        both = 2 * num_heads
        kept.append(
            Kept(
                "attention dropout", per_score=both, split="heads", kind="float32", in_training=True
            )
        )
    if is_cached:
        kept.append(Kept("cached keys", num_kv_heads * head_dim, split="kv"))
        kept.append(Kept("cached values", num_kv_heads * value_dim, split="kv", kind="narrow"))
    return Block(kept=tuple(kept))


def activation(name: str, width: int, *, is_gated: bool = False) -> Block:
    """A plain non-linear function: what it and the product after it keep, by its name.

    The last step, its result, is kept for the weights after it alone, but where the function
    itself reads it (one step) or a gate does (`is_gated`).
    """
    # Functions of one kernel keep input and result; ReLU its result; those written in Python,
    # every step.
    steps = {"relu": 1, "gelu_new": 5, "gelu_fast": 6, "quick_gelu": 3, "bloom": 2}.get(name, 2)
    last = 0 if is_gated else steps - 1
    kept = tuple(
        Kept(
            f"{name} step {i + 1}",
            width,
            split="width",
            is_matmul=i == 0,
            for_weights=0 < i == last,
        )
        for i in range(steps)
    )
    return Block(kept=kept)


def mlp(
    names: tuple[str, str], hidden: int, width: int, function: str, *, bias: bool = False
) -> Block:
    """Two linear maps with a function between them."""
    between = activation(function, width)
    result = between.kept[-1].name
    return (
        linear(names[0], width, hidden, "width", bias=bias)
        + between
        + output_linear(names[1], hidden, width, "width", bias, result)
    )


def gated_mlp(
    hidden: int, width: int, *, bias: bool = False, fused: bool = False, prefix: str = "mlp"
) -> Block:
    """A gate, an input and an output map: keeps gate, its function, the input and their product."""
    if fused:
        maps = linear(f"{prefix}.gate_up_proj", 2 * width, hidden, "width", bias=bias)
    else:
        maps = linear(f"{prefix}.gate_proj", width, hidden, "width", bias=bias)
        maps += linear(f"{prefix}.up_proj", width, hidden, "width", bias=bias)
    return (
        maps
        + gated_kept(width)
        + output_linear(f"{prefix}.down_proj", hidden, width, "width", bias, GATED)
    )


def gated_kept(width: float, product: str = GATED) -> Block:
    """What a gated feed-forward keeps; `product` is the name of its result."""
    kept = (
        Kept("gate", width, split="width", is_matmul=True),
        Kept("input of the gate", width, split="width", is_matmul=True),
        Kept("gate function", width, split="width"),
        Kept(product, width, split="width", for_weights=True),
    )
    return Block(kept=kept)


def experts(
    hidden: int, width: int, num_experts: int, per_token: int, *, bias: bool = False
) -> Block:
    """Gated experts behind a router without bias; every token goes to `per_token` of them."""
    prefix = "mlp.experts"
    weights = [
        Weight("mlp.gate.weight", (num_experts, hidden)),
        Weight(f"{prefix}.gate_up_proj", (num_experts, 2 * width, hidden), "width", is_linear=True),
        Weight(f"{prefix}.down_proj", (num_experts, hidden, width), "width", is_linear=True),
    ]
    if bias:
        weights += [
            Weight("mlp.gate.bias", (num_experts,)),
            Weight(f"{prefix}.gate_up_proj_bias", (num_experts, 2 * width), "width"),
            Weight(f"{prefix}.down_proj_bias", (num_experts, hidden)),
        ]
    kept = (
        Kept("tokens sent to experts", per_token * hidden, is_matmul=True, for_weights=True),
        Kept("results of experts", per_token * hidden),
        Kept("router", num_experts + 8 * per_token, kind="float32"),
    )
    block = Block(tuple(weights), kept) + gated_kept(per_token * width, "gated product of experts")
    if bias:  # clamped gates with a scaled sigmoid: three more steps
        block += Block(kept=(Kept("gate steps", 3 * per_token * width, split="width"),))
    return block


def written_attention(
    num_heads: int,
    num_kv_heads: int,
    head_dim: int,
    *,
    probability: float = 0.0,
    num_scores: int = 1,
    wide: bool = True,
) -> Block:
    """Attention written out in Python: `num_scores` steps of scores in the model's format.

    `wide` adds the softmax in float32. Fewer KV heads than heads are repeated.
    """
    q, kv = num_heads * head_dim, num_kv_heads * head_dim
    kept = [
        Kept("queries", q, split="heads", is_matmul=True),
        Kept("cached keys and values", 2 * kv, split="kv", is_matmul=True),
        Kept(RESULT, q, split="heads", is_matmul=True, for_weights=True),
        Kept("scores", per_score=num_scores * num_heads, split="heads"),
    ]
    if wide:
        kept.append(Kept("weights", per_score=num_heads, split="heads", kind="widened"))
    if probability:
        kept.append(
            Kept("attention dropout", per_score=2 * num_heads, split="heads", in_training=True)
        )
    if num_heads != num_kv_heads:
        kept.append(Kept("repeated keys and values", 2 * q, split="heads"))
    return Block(kept=tuple(kept))


def capped_logits(vocab: int) -> Block:
    """The hyperbolic tangent that caps logits."""
    return Block(kept=(Kept("capped logits", vocab, split="vocab"),))


def whole_projection(kv: int, *, of_one: bool = False) -> Block:
    """Keys and values inside one projection with the queries, beside their cached copies."""
    kept = Kept("keys and values of the projection", 2 * kv, split="kv", of_one=of_one)
    return Block(kept=(kept,))
