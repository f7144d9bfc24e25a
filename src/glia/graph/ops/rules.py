"""What the shape rules of several families share. A rule maps operand types to the result type."""

from __future__ import annotations

from collections.abc import Sequence

from glia.core.dtypes import DType, dtype
from glia.core.errors import UsageError
from glia.graph.ir import GraphError, TensorType
from glia.graph.op import InferFn, require

NUMBER = ("float", "int", "uint")
REAL = (*NUMBER, "bool")


def unary(*kinds: str, result: str | None = None) -> InferFn:
    """One operand of these kinds; the result has its type, or its shape and dtype `result`."""

    def rule(x: TensorType) -> TensorType:
        require_kind(x, kinds)
        return x if result is None else TensorType(x.shape, dtype(result))

    return rule


def binary(*kinds: str) -> InferFn:
    """Two operands of one type of these kinds; the result has that type."""

    def rule(lhs: TensorType, rhs: TensorType) -> TensorType:
        require_kind(lhs, kinds)
        require_same(lhs, rhs)
        return lhs

    return rule


def require_kind(x: TensorType, kinds: Sequence[str]) -> None:
    """The operand's dtype is of one of these kinds."""
    require(x.dtype.kind in kinds, x, f"an operand of kind {' or '.join(kinds)}", "convert it")


def require_same(first: TensorType, *others: TensorType) -> None:
    """All operands have the type of the first."""
    for other in others:
        require(
            other == first,
            f"{first} and {other}",
            "operands of equal shape and dtype",
            "broadcast_in_dim or convert one",
        )


def require_type(what: str, got: TensorType, shape: Sequence[int], like: TensorType) -> None:
    """The operand called `what` has this shape and the dtype of `like`."""
    expected = TensorType(tuple(shape), like.dtype)
    require(got == expected, f"{what} {got}", str(expected), "reshape or convert it")


def require_ints(what: str, values: object, length: int | None = None) -> None:
    """The attribute is a tuple of ints, of this length."""
    good = type(values) is tuple and all(type(v) is int for v in values)
    size = "" if length is None else f"{length} "
    right_length = good and length in (None, len(values))  # type: ignore[arg-type]
    require(right_length, f"{what}={values!r}", f"a tuple of {size}ints", "give one per dim")


def require_shape(shape: object) -> None:
    """The attribute is a tuple of dims, none negative."""
    require_ints("shape", shape)
    good = all(d >= 0 for d in shape)  # type: ignore[attr-defined]
    require(good, f"shape={shape!r}", "dims of 0 or more", "write every dim out")


def require_dims(what: str, dims: tuple[int, ...], rank: int) -> None:
    """The attribute names distinct dims of a tensor of this rank."""
    require_ints(what, dims)
    good = len(set(dims)) == len(dims) and all(0 <= d < rank for d in dims)
    require(good, f"{what}={dims}", f"distinct dims from 0 to {rank - 1}", "count from the left")


def require_dim(what: str, dim: int, rank: int) -> None:
    """The attribute names one dim of a tensor of this rank."""
    good = type(dim) is int and 0 <= dim < rank
    require(good, f"{what}={dim!r}", f"a dim from 0 to {rank - 1}", "count from the left")


def require_choice(what: str, got: object, valid: Sequence[str | None]) -> None:
    """The attribute is one of a closed set."""
    names = ", ".join(map(repr, valid))
    require(got in valid, f"{what}={got!r}", f"one of {names}", "choose one of them")


def dtype_named(name: object) -> DType:
    """The format that a dtype attribute names."""
    try:
        return dtype(name)  # type: ignore[arg-type]
    except (UsageError, TypeError) as error:
        raise GraphError(f"got dtype={name!r}, expected a dtype name; {error}") from None


def from_right(axis: int, rank: int) -> int:
    """The dim that `axis` names, where -1 is the last one."""
    good = type(axis) is int and -rank <= axis < rank
    require(good, f"axis={axis!r}", f"-{rank} <= axis < {rank}", "name a dim of the operand")
    return axis % rank
