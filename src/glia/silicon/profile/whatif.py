"""Changed programs, to be timed again: what a change would gain is computed, never guessed.

A variant keeps what each instruction waits for, unless the change is about just that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from glia.core.errors import GliaError
from glia.isa.engines import engine
from glia.isa.launch.builder import INSTRUCTIONS
from glia.isa.serial import load_stream, save_stream
from glia.isa.stream import Instruction, Stream, Work
from glia.isa.target import Target
from glia.isa.tensors.tensor import NkiTensor, Storage
from glia.silicon.hazards import Dependences, dependences
from glia.silicon.time.timeline import schedule
from glia.silicon.time.timing import Timing


@dataclass(frozen=True, slots=True)
class Variant:
    """A program and what its instructions wait for."""

    stream: Stream
    deps: Dependences

    @staticmethod
    def of(stream: Stream) -> Variant:
        """The program as it is."""
        return Variant(stream, dependences(stream))

    def seconds(self, timing: Timing) -> float:
        """Time as written."""
        return schedule(self.prepared(), timing).makespan_s

    def prepared(self) -> Stream:
        """The stream with its dependences known, so that they are not computed again."""
        self.stream.cache["dependences"] = self.deps
        return self.stream

    def _with(self, made: tuple[Instruction, ...], deps: Dependences | None = None) -> Variant:
        stream = dataclasses.replace(self.stream, instructions=made, extra=(), cache={})
        return Variant(stream, deps or self.deps)

    def work(self, change: Callable[[Instruction], Work]) -> Variant:
        """Every instruction with other work; `change` returns the old one to keep it."""
        made = self.stream.instructions
        return self._with(
            tuple(
                one if (new := change(one)) is one.work else dataclasses.replace(one, work=new)
                for one in made
            )
        )

    def without_reuse(self) -> Variant:
        """Nothing waits for memory to become free: every tile has a buffer of its own."""
        none: tuple[tuple[int, ...], ...] = ((),) * len(self.deps.after)
        return self._with(self.stream.instructions, Dependences(self.deps.needs, none))

    def without(self, instead: Mapping[int, int]) -> Variant:
        """Some instructions left out; who waited for one waits for the one given instead."""
        kept = [one for one in self.stream.instructions if one.index not in instead]
        place = {one.index: i for i, one in enumerate(kept)}

        def moved(waits: tuple[int, ...]) -> tuple[int, ...]:
            found = (instead.get(i, i) for i in waits)
            return tuple(sorted({place[i] for i in found if i in place}))

        deps = Dependences(
            tuple(moved(self.deps.needs[one.index]) for one in kept),
            tuple(moved(self.deps.after[one.index]) for one in kept),
        )
        made = tuple(dataclasses.replace(one, index=i) for i, one in enumerate(kept))
        return self._with(made, deps)

    def sharing(self, instead: Mapping[int, int]) -> Variant:
        """The same with the results themselves: who read one's tensor reads the other's."""
        made = self.stream.instructions
        tensors = {
            made[one].writes[0].storage.index: made[other].writes[0].storage
            for one, other in instead.items()
        }

        def reading(one: Instruction) -> Instruction:
            if not any(view.storage.index in tensors for view in one.reads):
                return one
            reads = tuple(
                _on(tensors[v.storage.index], v) if v.storage.index in tensors else v
                for v in one.reads
            )
            return dataclasses.replace(one, reads=reads)

        return self._with(tuple(map(reading, made))).without(instead)


def _on(storage: Storage, view: NkiTensor) -> NkiTensor:
    """The same part of another tensor."""
    return NkiTensor.of(
        storage, view.dtype, view.shape, view.steps, view.start, view.partition,
        view.indirection, view.outside,
    )  # fmt: skip


def on_engine(
    stream: Stream, lines: set[tuple[str, int]], other: engine, target: Target
) -> Stream | None:
    """The program with the instructions of these lines on another engine; None if not allowed.

    The calls are issued again, so legality and cycles are those of the instruction itself.
    """
    calls = []
    for call in stream.calls:
        chosen = (call.file, call.line) in lines and "engine" in _parameters(call.op)
        arguments = {**call.arguments, "engine": other} if chosen else call.arguments
        calls.append(dataclasses.replace(call, arguments=arguments))
    try:
        saved = save_stream(dataclasses.replace(stream, calls=tuple(calls), cache={}))
        return load_stream(saved, target)
    except GliaError:
        return None


def _parameters(op: str) -> tuple[str, ...]:
    function = INSTRUCTIONS[op]
    code = getattr(function, "__wrapped__", function).__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
