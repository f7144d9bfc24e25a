"""`nki.jit`: a Python function as a kernel, and its traces.

A kernel called inside another is inlined. Without hardware a call is a simulation, as with the
public simulator's NKI_SIMULATOR=1.
Sources: aws-neuron-sdk nki/api/nki/__init__.py, nki/get-started/about/lnc.rst.
"""

from __future__ import annotations

import copy
import functools
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from glia.core.collection import no_collection
from glia.core.errors import KernelError, UsageError, choose
from glia.isa.launch.builder import StreamBuilder, tracing
from glia.isa.launch.context import CURRENT
from glia.isa.launch.located import calling, located
from glia.isa.launch.misfit import misfit
from glia.isa.launch.schedule import Pairs, pairs_of
from glia.isa.meetings.collectives_prepared import check_triggered
from glia.isa.stream import Place, Stream
from glia.isa.target import Target
from glia.isa.tensors.tensor import NkiTensor
from glia.nki.arguments import TensorSpec, check_format, leaves, map_leaves
from glia.nki.faults import explained
from glia.nki.watch import watched
from glia.silicon.execution.races import check_shared

__all__ = ["Kernel", "TensorSpec", "jit"]

_MODES = ("auto", "baremetal", "jax", "simulation", "torchxla", "trace")
# Options of this and earlier releases that steer AWS's compiler, which has no part here.
_OPTIONS = (
    "additional_compile_opt", "debug_kernel", "disable_allocation", "enable_out_of_bound_check",
    "experimental_flags", "kernel_return", "mode", "platform_target", "show_compiler_tb",
)  # fmt: skip


class Kernel:
    """A function under `nki.jit`; `cores` of a logical core run it (`kernel[2]`)."""

    def __init__(self, function: Callable[..., Any], platform_target: str | None = None) -> None:
        if not callable(function):
            raise KernelError(f"nki.jit: got {function!r}, expected a function")
        functools.update_wrapper(self, function)
        self.function = function
        self.signature = inspect.signature(function)
        self.cores = 1
        self.platform_target = platform_target
        self.pairs: Pairs = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Inside a kernel the function itself; else a simulation on the virtual chip."""
        if CURRENT.get() is not None:
            return self.function(*args, **kwargs)
        from glia.nki.simulation import simulate

        return simulate(self)(*args, **kwargs)

    def __getitem__(self, cores: Any) -> Kernel:
        """`kernel[lnc]`: the kernel on 1 or 2 cores of a logical core."""
        number = cores[0] if isinstance(cores, tuple) and len(cores) == 1 else cores
        if isinstance(number, bool) or not isinstance(number, int) or number not in (1, 2):
            raise KernelError(
                f"{self.name}[{cores!r}]: got {cores!r}, expected one number of cores, 1 or 2"
            )
        made = copy.copy(self)
        made.cores = number
        return made

    def with_schedule(self, schedule: Sequence[tuple[str, str | Sequence[str]]]) -> Kernel:
        """The kernel with order edges: (consumer, producer or list of producers), by `name=`."""
        made = copy.copy(self)
        made.pairs = pairs_of(schedule)
        return made

    @property
    def name(self) -> str:
        """The function's name."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    @property
    def place(self) -> tuple[str, int]:
        """File and line of the function."""
        code = getattr(inspect.unwrap(self.function), "__code__", None)
        return ("kernel", 0) if code is None else (code.co_filename, code.co_firstlineno)

    def bound(self, args: Any, kwargs: Any) -> inspect.BoundArguments:
        """The arguments by parameter.

        Raises:
            KernelError: for arguments that the function does not take; names the call's line.
        """
        try:
            return self.signature.bind(*args, **kwargs)
        except TypeError:
            wrong = misfit(self.name, self.signature, args, kwargs)
            file, line = self.place
            raise calling(
                KernelError(
                    f"calling kernel {self.name}: {wrong} (defined at {Path(file).name}:{line})"
                ),
                sys._getframe(),
            ) from None

    def trace(self, *args: Any, target: Target, **kwargs: Any) -> Stream:
        """The stream of a launch on one core; TensorSpecs, wherever they are, become HBM inputs."""
        if self.cores != 1:
            raise KernelError(f"{self.name}[{self.cores}].trace: one stream; use trace_cores")
        return self.trace_cores(*args, target=target, **kwargs)[0]

    def trace_cores(self, *args: Any, target: Target, **kwargs: Any) -> tuple[Stream, ...]:
        """The streams of all cores of a launch, without values; they are checked together.

        Raises:
            KernelError: for whatever the chip refuses, and for a kernel that asks for data.
        """
        self.check_cores(target)
        streams = []
        for core in range(self.cores):
            tracer = Tracer(self, target, Place(core, self.cores), self.bound(args, kwargs))
            with no_collection():
                tracer.run()
                streams.append(tracer.finish())
        check_shared(streams)
        return tuple(streams)

    def check_cores(self, target: Target) -> None:
        """Refuse more cores than the chip's logical cores have."""
        if self.cores > 1 and not target.can.lnc2:
            raise KernelError(
                f"{self.name}[{self.cores}]: got {self.cores} cores on {target.chip}, expected 1: "
                "its cores form no logical cores"
            )


class Tracer:
    """One core's trace of a kernel: its builder, its inputs in HBM, and what it returned."""

    def __init__(
        self, kernel: Kernel, target: Target, place: Place, bound: inspect.BoundArguments
    ) -> None:
        self.kernel = kernel
        self.builder = StreamBuilder(kernel.name, target, place)
        self.builder.schedule.pairs = kernel.pairs
        self.inputs: list[NkiTensor] = []
        self.result: Any = None
        self._args = tuple(
            map_leaves(v, self._placed, k) for k, v in _positional(kernel.signature, bound)
        )
        self._kwargs = {k: map_leaves(v, self._placed, k) for k, v in bound.kwargs.items()}
        self._given = dict(bound.arguments)

    def _placed(self, value: Any, key: str) -> Any:
        if not isinstance(value, TensorSpec):
            return value
        try:
            check_format(value, f"kernel {self.kernel.name}, argument {key}", key)
        except KernelError as error:
            raise calling(error, sys._getframe()) from None
        made = self.builder.storage(
            value.shape, value.dtype, "hbm", key, "input", strides=value.strides
        )
        # nki_simulator.rst, "Execution" 1: nl.hbm, or shared_hbm where two cores run.
        made.storage.shared = self.builder.place.num_cores > 1
        self.inputs.append(made)
        return made

    def run(self) -> None:
        """Call the kernel's function; one that runs on without issuing anything is stopped."""
        try:
            with watched(self.builder), tracing(self.builder):
                self.result = call_kernel(self.kernel.function, self._args, self._kwargs)
        except KernelError as error:
            raise explained(error, self.kernel.name, self._given) from error.__cause__

    def finish(self) -> Stream:
        """Declare what the kernel returned, and freeze the stream."""
        try:
            for tensor in outputs_of(self.result, self.kernel.name):
                self.builder.mark_output(tensor)
            check_triggered(self.builder)
            return self.builder.finish(self.inputs)
        except KernelError as error:
            raise located(error, *self.kernel.place) from None


def _positional(
    signature: inspect.Signature, bound: inspect.BoundArguments
) -> list[tuple[str, Any]]:
    """The positional arguments with the names of their parameters."""
    names = []
    for name, parameter in signature.parameters.items():
        if name not in bound.arguments:
            break
        count = len(bound.arguments[name]) if parameter.kind is parameter.VAR_POSITIONAL else 1
        names += [name] if count == 1 else [f"{name}_{i}" for i in range(count)]
    return list(zip(names, bound.args, strict=False))


def call_kernel(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """The border between glia's frames and the kernel's (see `isa/launch/located.py`)."""
    return function(*args, **kwargs)


def outputs_of(result: Any, name: str) -> list[NkiTensor]:
    """The tensors that a kernel returned, in order; None stands for none.

    Raises:
        KernelError: for anything else.
    """
    found = [part for part in leaves(result) if part is not None]
    for part in found:
        if not isinstance(part, NkiTensor):
            raise KernelError(
                f"kernel {name} returned {type(part).__name__}: expected tensors in "
                "nl.shared_hbm, alone or in tuples, lists and dicts; return what it computed"
            )
    return found


def jit(fn: Callable[..., Any] | None = None, **kwargs: Any) -> Any:
    """Mark a function as a kernel: `@jit`, `@jit()` or `@jit(mode="trace", ...)`.

    `platform_target` is the chip to use when neither an argument nor the environment names one.
    Options for AWS's compiler are accepted and have no effect here.

    Raises:
        KernelError: for an unknown option, or a mode that measures on hardware.
    """
    try:
        for option in kwargs:
            choose("nki.jit option", option, _OPTIONS)
        mode = kwargs.get("mode", "auto")
        if mode in ("benchmark", "profile"):
            raise KernelError(
                f"nki.jit(mode={mode!r}): got a mode that measures on a chip, expected none here; "
                "use glia nki profile"
            )
        choose("nki.jit mode", mode, _MODES)
    except UsageError as error:
        raise KernelError(str(error)) from None
    wanted = kwargs.get("platform_target")
    if fn is None:
        return functools.partial(Kernel, platform_target=wanted)
    return fn if isinstance(fn, Kernel) else Kernel(fn, wanted)
