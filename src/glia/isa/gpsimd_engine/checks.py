"""What GpSimd instructions share: SBUF operands of known dtypes, and their work."""

from __future__ import annotations

from glia.isa.launch.builder import current
from glia.isa.rules import in_memory, on_chip, refusal, traffic
from glia.isa.stream import Work
from glia.isa.tensors.tensor import NkiTensor

CORE_PARTITIONS = 16  # partitions wired to one of the engine's eight cores
INT32 = range(-(2**31), 2**31)


def in_sbuf(what: str, **operands: NkiTensor) -> None:
    """GpSimd cannot access PSUM."""
    on_chip(what, **operands)
    for role, view in operands.items():
        in_memory(what, role, view, "sbuf")


def of_kind(what: str, role: str, view: NkiTensor, *kinds: str) -> None:
    """The operand has one of these dtypes."""
    if view.dtype.name not in kinds:
        raise refusal(f"{what} {role}", str(view.dtype), " or ".join(kinds))


def whole_cores(what: str, view: NkiTensor) -> int:
    """Cores whose 16 partitions the operand fills."""
    if view.num_partitions % CORE_PARTITIONS:
        got = f"{view.num_partitions} partitions"
        raise refusal(what, got, "a multiple of 16", "each core is wired to 16")
    return view.num_partitions // CORE_PARTITIONS


def int32(what: str, role: str, value: object) -> int:
    """A whole number that fits 32 bits."""
    try:
        number = int(value.__index__())  # type: ignore[attr-defined]
    except (AttributeError, TypeError):
        raise refusal(f"{what} {role}", repr(value), "an int32") from None
    if number not in INT32:
        raise refusal(f"{what} {role}", str(number), "an int32")
    return number


def gpsimd_work(cycles: float, elements: int, *views: NkiTensor) -> Work:
    """Work of `cycles` streaming cycles, at least the engine's shortest instruction."""
    least = current().target.gpsimd_min
    return Work(cycles=max(cycles, least), elements=elements, sram=traffic(*views))
