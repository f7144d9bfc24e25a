"""How well the matmul kernel uses the virtual Tensor engine, beside the published figure.

    python benchmarks/matmul_utilisation.py [CHIP] [SIZE]

A bf16 product of SIZE^3 (default 2048) with both operands as the engine wants them (contraction
outermost), as public matmul kernels take them. Published for such kernels on trn2: 521 to 522
cycles per step of 128 x 128 x 512 (aws-neuron/neuron-agentic-development, te_inefficiency.md and
example-bounds-analysis.md, rows E and F of the public record). Predicted time, not measured.
"""

import sys

from glia.chips import load_chip
from glia.core.dtypes import dtype
from glia.isa.target import target_of
from glia.kernels.matmul import linear
from glia.nki.kernel import TensorSpec
from glia.silicon import Timing, schedule

PUBLISHED_CYCLES = 521.5


def main(chip: str = "trn2", size: int = 2048) -> None:
    silicon = load_chip(chip).silicon
    assert silicon is not None
    operand = TensorSpec((size, size), dtype("bf16"))
    stream = linear.trace(operand, operand, target=target_of(chip), lhs_transposed=True)
    hertz = silicon.clock.tensor.value
    peak = 2 * silicon.tensor.rows.value * silicon.tensor.columns.value * hertz
    steps = [i for i, made in enumerate(stream.instructions) if made.op == "nc_matmul"]
    for bound in ("optimistic", "likely", "pessimistic"):
        time = schedule(stream, Timing.of(silicon, bound))
        active = sum(time.ends_s[i] - time.starts_s[i] for i in steps)
        cycles = active * hertz / len(steps)
        mfu = 2 * size**3 / (peak * time.makespan_s)
        print(
            f"{chip} {size}^3 bf16, {bound} constants: MFU as written {mfu:.1%}; "
            f"{cycles:.1f} cycles per step, {cycles / PUBLISHED_CYCLES:.3f} of trn2's published "
            f"{PUBLISHED_CYCLES}; {len(stream.instructions)} instructions"
        )


if __name__ == "__main__":
    chip, *rest = sys.argv[1:] or ["trn2"]
    main(chip, *(int(text) for text in rest))
