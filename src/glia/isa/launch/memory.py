"""The memory of a launch while it is built: storages, written-flags, engine state, outputs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from glia.core.dtypes import DType
from glia.core.dtypes import dtype as find_dtype
from glia.core.errors import KernelError
from glia.isa.launch.deferred import Deferred
from glia.isa.launch.initialised import Shadow, not_stored
from glia.isa.launch.located import kernel_frames, kernel_place
from glia.isa.launch.pinned import check_address
from glia.isa.launch.repeats import Repeats
from glia.isa.stream import Place
from glia.isa.target import PARTITIONS, Target
from glia.isa.tensors.naming import assigned_name
from glia.isa.tensors.tensor import NkiTensor, Storage

FIRST_REGISTER_FILE = 1 << 30  # storage numbers of engine state, apart from those of tensors

WITHOUT_DATA = "a kernel traced without data"
"""In the text of the error of a kernel whose control flow asks for data that is not there."""


class LaunchMemory:
    """Declares the storages of one launch and answers what they hold.

    `peek`, when set, returns a copy of what a view holds after everything issued so far; it is
    absent when a kernel is traced for its shapes only.
    """

    def __init__(self, target: Target, place: Place) -> None:
        self.target = target
        self.place = place
        self.peek: Callable[[NkiTensor], np.ndarray] | None = None
        self.data_dependent = ""
        self.looked = False  # values were asked for: what was issued has been carried out
        self.storages: list[Storage] = []
        self.shared: list[Storage] = []
        self.uncertain: set[int] = set()  # storages of which the run shows what was written
        self._shadows: dict[int, Shadow] = {}
        self._registers: dict[str, Storage] = {}
        self._outputs: list[Storage] = []
        self._at = ("", 0)
        self.repeats = Repeats()
        self.deferred = Deferred()

    @property
    def at(self) -> tuple[str, int]:
        """The kernel's file and line that issued last."""
        return self._at

    def storage(
        self,
        shape: Sequence[int],
        dtype: DType,
        memory: str,
        name: str = "",
        role: str = "scratch",
        pinned: tuple[int, int] | None = None,
        strides: tuple[int, ...] | None = None,
        data: np.ndarray | None = None,
        shared: bool = False,
    ) -> NkiTensor:
        """Declare memory and return it whole. Shape in elements; dim 0 = partitions on chip.

        HBM that is `shared` is one memory for all cores of a logical core. What one core writes
        there another may read, so whether it was written is checked over all cores together, after
        each was traced (`silicon/execution/races.py`), and not here.
        """
        if memory == "psum":
            self.deferred.settle()
        sizes = tuple(int(n) for n in shape)
        self._check_shape(sizes, memory, name)
        index = len(self.storages)
        label = name or f"{memory}{index}"
        made = Storage(
            index, label, memory, sizes, dtype, role, pinned, strides, data, shared=shared
        )
        if not name:
            made.at = kernel_place(sys._getframe(1))
        self._check_fits(made)
        check_address(made, self.target)
        self.storages.append(made)
        if self.repeats.frames:
            self.repeats.made(made)
        shadow = self._shadows[index] = Shadow(made)
        if shared:
            self.shared.append(made)
            shadow.full = shadow.full or self.place.num_cores > 1
        return NkiTensor.whole(made)

    def register_file(self, name: str, words: int = 1, kind: str = "float32") -> NkiTensor:
        """State that an engine keeps from one instruction to the next: [128, words] of `kind`.

        Accumulators and random generators are such state. The first call of a name makes it, never
        written; it has no address in SBUF or PSUM, and instructions read and write it as any
        operand, so that order and initialisation are checked as for memory.
        """
        made = self._registers.get(name)
        if made is None:
            index = FIRST_REGISTER_FILE + len(self._registers)
            shape = (PARTITIONS, words)
            made = Storage(index, name, "register", shape, find_dtype(kind), address=0)
            self._registers[name] = made
            self._shadows[index] = Shadow(made)
        return NkiTensor.whole(made)

    def value_of(self, view: NkiTensor, what: str) -> np.ndarray:
        """A copy of what `view` holds now, for whatever in a kernel depends on data.

        Marks the stream: it is right for this data only.

        Raises:
            KernelError: when the kernel is traced for shapes only.
        """
        if self.peek is None:
            raise self.error(
                f"{what} of {view!r}",
                WITHOUT_DATA,
                "arrays as arguments",
                "run it with nki.simulate(kernel)(arrays...)",
            )
        self.deferred.settle_for(view)
        self.data_dependent = self.data_dependent or f"{self._at[0]}:{self._at[1]}"
        return self.peek(view)

    def look(self, view: NkiTensor) -> np.ndarray | None:
        """A copy of what `view` holds now, to be shown; None when traced for shapes only."""
        self.deferred.settle_for(view)
        return None if self.peek is None else self.peek(view)

    def shared_number(self, view: NkiTensor, what: str) -> str:
        """What a tensor that all cores share is called in each of them.

        Raises:
            KernelError: for a tensor of this core alone.
        """
        storage = view.storage
        if storage.role in ("input", "constant"):
            return storage.name
        if storage not in self.shared:
            raise self.error(
                what, f"{view!r}, which is this core's own", "a tensor in nl.shared_hbm"
            )
        return f"shared {self.shared.index(storage)}"

    def shadow(self, view: NkiTensor) -> Shadow:
        """The written-flags of the view's storage, for who looks from outside."""
        self.deferred.settle_for(view)
        return self._shadows[view.storage.index]

    def mark_output(self, tensor: NkiTensor) -> None:
        """Declare that the kernel returns this tensor."""
        storage = tensor.storage
        if storage.on_chip:
            raise self.error(
                "returning from the kernel",
                f"{tensor!r}",
                "a tensor in nl.shared_hbm",
                "store it to HBM with dma_copy",
            )
        own = storage.role != "input" and not storage.shared
        if own and self.place.num_cores > 1:
            raise self.error(
                f"returning {tensor!r}",
                f"a tensor in {tensor.buffer}, which is this core's own",
                "one in nl.shared_hbm",
                "allocate the result with buffer=nl.shared_hbm",
            )
        self.repeats.check_inside("returning", (tensor,))
        shadow = self._shadows[storage.index]
        if not shadow.is_written(tensor):
            raise not_stored(f"returning {tensor!r}", shadow)
        storage.role = "output" if storage.role == "scratch" else storage.role
        self._outputs.append(storage)

    def error(self, what: str, got: str, expected: str, do: str = "") -> KernelError:
        """A KernelError in the house form."""
        tail = f"; {do}" if do else ""
        return KernelError(f"{what}: got {got}, expected {expected}{tail}")

    def _check_shape(self, sizes: tuple[int, ...], memory: str, name: str) -> None:
        if any(n <= 0 for n in sizes):
            raise self.error(
                _allocating(name, memory), f"shape {sizes}", "sizes above 0",
                "compute the sizes from the shapes of the arguments",
            )  # fmt: skip
        if memory == "hbm":
            return
        if len(sizes) < 2 or sizes[0] > PARTITIONS:
            raise self.error(
                _allocating(name, memory),
                f"shape {sizes}",
                f"[partitions <= {PARTITIONS}, free...]",
                "dim 0 is the partition dim; tile it by nl.tile_size.pmax",
            )

    def _check_fits(self, made: Storage) -> None:
        if not made.on_chip:
            return
        limit = self.target.sbuf_bytes if made.memory == "sbuf" else self.target.psum_bytes
        if made.partition_bytes > limit:
            raise self.error(
                _allocating("" if made.at[1] else made.name, made.memory),
                f"{made.partition_bytes} bytes per partition",
                f"at most {limit} on {self.target.chip}",
                "split its free dims",
            )


def _allocating(name: str, memory: str) -> str:
    """What is allocated, and for whom where a function of the kernel's does it."""
    places = list(kernel_frames(sys._getframe(1)))
    label = name or (assigned_name(*places[0]) if places else "") or "a tensor"
    caller = f" (called at {Path(places[1][0]).name}:{places[1][1]})" if len(places) > 1 else ""
    return f"allocating {label} in {memory}{caller}"
