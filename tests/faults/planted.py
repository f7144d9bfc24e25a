"""How a bug is planted: a kernel body with one wrong line, marked, and the error that must name it.

A body gets float32 arrays in HBM (or the inputs its record names). Around it a kernel copies the
first to its result, so that nothing but the fault can be wrong; a body that returns something
returns it from the kernel.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl

Body = Callable[..., Any]
X = np.arange(128 * 512, dtype=np.float32).reshape(128, 512)
MARK = "# here"


@dataclass(frozen=True)
class Fault:
    """`error` is a regular expression found in the message; `source` says where the rule stands."""

    name: str
    body: Body
    error: str
    source: str
    inputs: tuple[np.ndarray, ...]
    generation: str
    cores: int
    whole: bool

    @property
    def lines(self) -> range:
        """The marked line in this record's file; the lines of the kernel's head if it is whole."""
        lines, first = inspect.getsourcelines(self.body)
        marked = [first + i for i, text in enumerate(lines) if MARK in text]
        assert len(marked) == 1, f"{self.name}: mark one line with '{MARK}'"
        return range(first if self.whole else marked[0], marked[0] + 1)


FAULTS: list[Fault] = []
LOOK_ALIKES: list[Fault] = []


def fault(
    error: str,
    source: str,
    *inputs: np.ndarray,
    generation: str = "gen3",
    cores: int = 1,
    whole: bool = False,
) -> Callable[[Body], Body]:
    """Plant the decorated body as a fault that must be refused with `error`.

    A `whole` body is the kernel itself, and its mark is on its `def` line.
    """
    return _recorder(FAULTS, error, source, inputs, generation, cores, whole)


def look_alike(
    source: str, *inputs: np.ndarray, generation: str = "gen3", cores: int = 1
) -> Callable[[Body], Body]:
    """The decorated body looks like a fault and is legal: it must run."""
    return _recorder(LOOK_ALIKES, "", source, inputs, generation, cores)


def _recorder(
    into: list[Fault],
    error: str,
    source: str,
    inputs: tuple[np.ndarray, ...],
    generation: str,
    cores: int,
    whole: bool = False,
) -> Callable[[Body], Body]:
    def record(body: Body) -> Body:
        name = body.__name__
        into.append(Fault(name, body, error, source, inputs or (X,), generation, cores, whole))
        return body

    return record


def run(planted: Fault) -> Any:
    """The result of the kernel around the body."""

    def kernel(*tensors: Any) -> Any:
        result = planted.body(*tensors)
        if result is not None:
            return result
        first = tensors[0]
        out = nl.ndarray(first.shape, first.dtype, nl.shared_hbm)
        nisa.dma_copy(out, first)
        return out

    made = nki.jit(planted.body if planted.whole else kernel)
    chosen = made if planted.cores == 1 else made[planted.cores]
    return nki.simulate(chosen, target=planted.generation)(*planted.inputs)


# -- tiles, made and filled ----------------------------------------------------------------------


def sbuf(*shape: int, kind: Any = nl.float32, **more: Any) -> Any:
    """An SBUF tile of zeros."""
    tile = nl.ndarray(shape, kind, nl.sbuf, **more)
    nisa.memset(tile, 0)
    return tile


def psum(*shape: int, kind: Any = nl.float32, **more: Any) -> Any:
    """A PSUM tile of zeros."""
    tile = nl.ndarray(shape, kind, nl.psum, **more)
    nisa.memset(tile, 0)
    return tile


def empty(*shape: int, kind: Any = nl.float32, buffer: Any = nl.sbuf, **more: Any) -> Any:
    """Memory never written."""
    return nl.ndarray(shape, kind, buffer, **more)
