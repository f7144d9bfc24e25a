"""Virtual registers: 32-bit scalars of the engines' sequencers, and the loops that they bound.

A register's value is known while tracing: device loops unroll, and each test of a register decides
then. `register_load` asks for data (see `LaunchMemory.value_of`); in a kernel traced without data
the register stays unknown, and using it is an error.
Source: aws-neuron-sdk nki/api/nki/isa/__init__.py (register_*),
nki/deep-dives/nki-dynamic-loops.rst.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np

from glia.core.errors import KernelError
from glia.isa.launch.context import CURRENT, current
from glia.isa.launch.located import kernel_place
from glia.isa.objects import NKIObject
from glia.isa.rules import refusal
from glia.isa.tensors.addressing import RegisterInt
from glia.isa.tensors.tensor import NkiTensor

_LOW, _HIGH = -(1 << 31), 1 << 32  # signed or unsigned, as who reads the 32 bits likes


class VirtualRegister(NKIObject):
    """A 32-bit scalar. `state` is its number, None before the first write.

    `counts` marks the variable of a loop, `frozen` one that cannot be written.
    """

    __slots__ = ("counts", "frozen", "state", "unknown")
    of_register = True

    def __init__(self, state: int | None = None, frozen: bool = False) -> None:
        self.state = None if state is None else _fitting(state)
        self.frozen = frozen
        self.counts = False
        self.unknown = False

    @classmethod
    def counting(cls, number: int, frozen: bool) -> VirtualRegister:
        """The variable of a loop."""
        made = cls(number, frozen)
        made.counts = True
        return made

    @property
    def value(self) -> int:
        """The number, which knows that a register decides it."""
        return RegisterInt(self.number())

    def number(self) -> int:
        """The value.

        Raises:
            KernelError: when nothing was written to it, or its value is data that is not there.
        """
        if self.state is None:
            if self.unknown:
                raise refusal(
                    "using a register",
                    "a value loaded from a tensor in a kernel traced without data",
                    "arrays as arguments",
                    "run it with nki.simulate(kernel)(arrays...)",
                )
            raise refusal(
                "using a register",
                "one that was never written",
                "an initialised register",
                "give register_alloc a value, or register_move or register_load one",
            )
        return self.state

    def set(self, value: int | None) -> None:
        """Write it; None for a value that is not known.

        Raises:
            KernelError: for the register of a loop.
        """
        if self.frozen:
            raise refusal(
                "writing a register",
                "the variable of a loop, which the loop itself counts",
                "a register of the kernel",
                "copy it with register_move into one from register_alloc",
            )
        self.state = None if value is None else _fitting(value)
        self.unknown = value is None

    def __repr__(self) -> str:
        return f"VirtualRegister({'?' if self.state is None else self.state})"

    def __index__(self) -> int:
        return self.number()

    __int__ = __index__

    def __bool__(self) -> bool:
        if self.counts:
            raise refusal(
                "branching on the variable of a loop",
                "a Python decision, which would be made once, while the body is traced",
                "one body for all iterations",
                "peel the first iteration off, or use predicated instructions",
            )
        builder, nonzero = CURRENT.get(), self.number() != 0
        if builder is not None:
            at = kernel_place(sys._getframe(1))
            builder.budget.iterate(at)
            builder.repeats.tested(at, nonzero)
        return nonzero

    def __add__(self, other: Any) -> VirtualRegister:
        return self._with(operator.add, other)

    def __sub__(self, other: Any) -> VirtualRegister:
        return self._with(operator.sub, other)

    def __mul__(self, other: Any) -> VirtualRegister:
        return self._with(operator.mul, other)

    def __floordiv__(self, other: Any) -> VirtualRegister:
        return self._with(operator.floordiv, other)

    def __mod__(self, other: Any) -> VirtualRegister:
        return self._with(operator.mod, other)

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: Any) -> VirtualRegister:
        return VirtualRegister(_operand("register arithmetic", other) - self.number())

    def _with(self, function: Callable[[int, int], int], other: Any) -> VirtualRegister:
        right = _operand("register arithmetic", other)
        if right == 0 and function in (operator.floordiv, operator.mod):
            raise refusal("register arithmetic", "a division by 0", "another divisor")
        return VirtualRegister(function(self.number(), right))

    def _compared(self, other: Any) -> NoReturn:
        raise refusal(
            "comparing a register",
            "a Python comparison, which the chip has no time for: the kernel is one program",
            "a test for nonzero (while reg), or arithmetic",
            "decide with predicated instructions, or loop with static_range",
        )

    __lt__ = __le__ = __gt__ = __ge__ = _compared
    __eq__ = __ne__ = _compared
    __hash__ = object.__hash__


def register_alloc(x: Any = None) -> VirtualRegister:
    """A new register: never written, or holding the int `x` or the one element of the tensor `x`.

    Raises:
        KernelError: for a number that 32 bits do not hold, or another type.
    """
    current("nki.isa.register_alloc")
    made = VirtualRegister()
    if isinstance(x, NkiTensor):
        _load(made, x, "register_alloc")
    elif x is not None:
        made.set(_operand("register_alloc", x))
    return made


def register_move(dst: VirtualRegister, src: Any, name: str | None = None) -> None:
    """`dst = src`, an int or another register."""
    current("nki.isa.register_move")
    _register("register_move dst", dst).set(_operand("register_move src", src))


def register_load(dst: VirtualRegister, src: NkiTensor, name: str | None = None) -> None:
    """`dst` = the one element of `src` in HBM or SBUF; 4-byte types by their bits.

    Raises:
        KernelError: for a tensor of more than one element, elsewhere, or never written.
    """
    current("nki.isa.register_load")
    _load(_register("register_load dst", dst), src, "register_load")


def _load(dst: VirtualRegister, src: NkiTensor, what: str) -> None:
    one_element(f"{what} src", src)
    builder = current(what)
    builder.repeats.check_inside(what, [src])
    if not builder.shadow(src).is_written(src):
        raise refusal(f"{what} of {src!r}", "memory never written", "initialised memory")
    dst.set(None if builder.peek is None else _from_bits(builder.value_of(src, what)))


def _from_bits(value: np.ndarray) -> int:
    flat = np.ascontiguousarray(value).reshape(-1)
    if flat.dtype.kind in "iub":
        return int(flat[0])
    return int(flat.view(f"<i{flat.dtype.itemsize}")[0])


def one_element(what: str, view: Any) -> None:
    """Refuse what a register cannot be loaded from or stored to."""
    fits = isinstance(view, NkiTensor) and all(n == 1 for n in view.shape)
    if not fits or view.storage.memory not in ("hbm", "sbuf") or view.dtype.itemsize > 4:
        raise refusal(what, f"{view!r}", "one element of at most 32 bits in HBM or SBUF")


def _register(what: str, value: Any) -> VirtualRegister:
    if not isinstance(value, VirtualRegister):
        raise refusal(what, type(value).__name__, "a register from register_alloc")
    return value


def register_number(what: str, value: Any) -> int:
    """The number of an int or a register."""
    if isinstance(value, VirtualRegister):
        return value.number()
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise refusal(what, f"{value!r}", "an int or a register")
    return int(value)


def _operand(what: str, value: Any) -> int:
    """The number of an operand of the sequencer: one more step of a device loop's body."""
    number, builder = register_number(what, value), CURRENT.get()
    if builder is not None and builder.repeats.frames:
        builder.repeats.call(what, kernel_place(sys._getframe(1)), {"operand": value})
    return number


def _fitting(value: int) -> int:
    if not _LOW <= value < _HIGH:
        raise KernelError(f"a register: got {value}, expected a number of 32 bits")
    return int(value)


# -- device loops ------------------------------------------------------------------------------


def dynamic_range(start: Any, stop: Any = None, step: int = 1) -> Iterator[VirtualRegister]:
    """A loop of the device from `start` to `stop` (exclusive); bounds are ints or registers.

    Each iteration is traced; its number is a register that the loop owns.

    Raises:
        KernelError: for a step that is no positive int, or inside `nl.no_reorder()`.
    """
    if isinstance(step, VirtualRegister) or not isinstance(step, int) or step < 1:
        raise refusal("nl.dynamic_range step", f"{step!r}", "a positive int of the program")
    first, last = (0, start) if stop is None else (start, stop)
    low, high = (
        register_number("nl.dynamic_range", first),
        register_number("nl.dynamic_range", last),
    )
    with _looping("nl.dynamic_range", (first, last, step)) as iterate:
        for value in range(low, high, step):
            iterate()
            yield VirtualRegister.counting(value, frozen=True)


@contextmanager
def _looping(what: str, bounds: tuple[Any, ...] = ()) -> Iterator[Callable[[], None]]:
    """A device loop; gives what to call as each iteration begins."""
    builder = current(what)
    repeats = builder.repeats

    def iterate() -> None:
        builder.budget.iterate(frame.body.at)
        repeats.iterate(frame)

    builder.deferred.settle()  # one copy in front of the loop, not in one of its iterations
    with builder.schedule.loop():
        frame = repeats.enter(kernel_place(sys._getframe()), bounds)
        try:
            yield iterate
        except BaseException:
            repeats.leave(frame, broken=True)
            raise
        repeats.leave(frame)


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any], Any], step: int = 1) -> None:
    """`body_fun(i)` for each `i` from `lower` to `upper` (exclusive), a register by value."""
    for i in dynamic_range(lower, upper, step):
        body_fun(VirtualRegister.counting(i.number(), frozen=False))


def while_loop(init: VirtualRegister, body_fun: Callable[[Any], Any]) -> None:
    """`r = body_fun(r)` while `r` is nonzero; the body gets a copy and returns the next register.

    Raises:
        KernelError: when the body returns anything but a register.
    """
    state = _register("nl.while_loop init", init)
    with _looping("nl.while_loop") as iterate:
        while state.number() != 0:
            iterate()
            state = _register(
                "nl.while_loop body's result", body_fun(VirtualRegister(state.number()))
            )
