"""Tiles that lie in PSUM already, and are copied to SBUF only when something needs them there.

A Vector instruction of two float32 tiles takes one cycle per element where one of them is in PSUM,
and two where both are in SBUF (nki/isa cost formulas of v2.26.1); a tile that a product has made,
as `nl.broadcast_to` does, is left where it is for such a reader. It waits no longer than until
anything else happens in PSUM or a device loop begins, so that a kernel needs no more of PSUM than
with the copy made at once, and every iteration of a loop is alike. Copies that turn out to have had
no reader are left out of the stream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from glia.isa.engines import engine
from glia.isa.tensors.tensor import NkiTensor

if TYPE_CHECKING:
    from glia.isa.stream import Instruction

_OPS = ("add", "subtract", "multiply", "maximum", "minimum")


class _Waiting(NamedTuple):
    """A tile's equal in PSUM, what copies it, and the kernel's line that asked for it."""

    product: NkiTensor
    copy: Callable[[], Instruction]
    at: tuple[str, int]


class Deferred:
    """The tiles of one launch that are still to be copied, with what copies each."""

    def __init__(self) -> None:
        self._tiles: dict[int, _Waiting] = {}
        self.at: tuple[str, int] | None = None  # whose copy is made now: the kernel's file and line
        self._made: list[Instruction] = []

    def __bool__(self) -> bool:
        return bool(self._tiles)

    def add(
        self,
        tile: NkiTensor,
        product: NkiTensor,
        copy: Callable[[], Instruction],
        at: tuple[str, int],
    ) -> None:
        """`copy` fills the whole `tile` in SBUF from `product`, equal to it, in PSUM.

        It is made for the kernel's line `at`, whenever that is.
        """
        self._tiles[tile.storage.index] = _Waiting(product, copy, at)

    def settle(self) -> None:
        """Copy all: what comes next may need the tiles, or their place in PSUM."""
        waiting, self._tiles = self._tiles, {}
        for one in waiting.values():
            self.at = one.at
            try:
                self._made.append(one.copy())
            finally:
                self.at = None

    def unread(self, program: Sequence[Instruction]) -> list[Instruction]:
        """The copies of tiles that nothing in the whole program reads."""
        if not self._made:
            return []
        read = {view.storage.index for made in program for view in made.reads}
        return [one for one in self._made if one.writes[0].storage.index not in read]

    def settle_for(self, view: NkiTensor) -> None:
        """Copy what waits, if this view is of it."""
        if self._tiles and self._names(view):
            self.settle()

    def arguments(self, op: str, given: dict[str, Any]) -> dict[str, Any]:
        """The arguments of an instruction, tiles replaced where it reads PSUM; else all settle."""
        uses = [role for role, value in given.items() if self._names(value)]
        if not uses:
            if any(map(_in_psum, given.values())):
                self.settle()
            return given
        role = uses[0]
        if len(uses) > 1 or op != "tensor_tensor" or not self._serves(role, given):
            self.settle()
            return given
        return {**given, role: self._tiles[given[role].storage.index].product}

    def _names(self, value: Any) -> bool:
        """True for a tile that waits, alone, in a list, or as the address of another."""
        if isinstance(value, (list, tuple)):
            return any(map(self._names, value))
        if not isinstance(value, NkiTensor):
            return False
        at = value.indirection
        return value.storage.index in self._tiles or (at is not None and self._names(at.index))

    def _serves(self, role: str, given: Mapping[str, Any]) -> bool:
        """Vector reads one whole tile of float32 from PSUM, and the other from SBUF."""
        tile, other = given[role], given.get("data1" if role == "data2" else "data2")
        whole = isinstance(tile, NkiTensor) and (
            (tile.shape, tile.steps, tile.start) == (tile.storage.shape, tile.storage.steps, 0)
        )
        plain = isinstance(other, NkiTensor) and (other.storage.memory, str(other.dtype)) == (
            "sbuf", "float32"
        )  # fmt: skip
        on = given.get("engine", engine.unknown)
        name = getattr(given.get("op"), "name", getattr(given.get("op"), "__name__", ""))
        vector = on in (engine.unknown, engine.vector) and name in _OPS
        return role in ("data1", "data2") and whole and plain and vector


def _in_psum(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_in_psum, value))
    return isinstance(value, NkiTensor) and value.storage.memory == "psum"
