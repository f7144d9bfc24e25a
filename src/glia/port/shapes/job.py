"""`glia shapes`: read the loader, count the graphs, plan buckets, find syncs, repeat a step."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from glia.core.errors import ModelError
from glia.core.figures import Estimate, exact
from glia.core.progress import NullProgress, Progress, Step
from glia.core.shape_records import BucketPlan, SecondStep, ShapeReport
from glia.core.units import counted
from glia.frontends.load import LoadedModel, load_model
from glia.frontends.user_code import on_a_cpu
from glia.port.shapes.advice import advice_for, advice_for_step
from glia.port.shapes.census import Census, Signature
from glia.port.shapes.data import Data, load_data
from glia.port.shapes.plan import MAX_GRAPHS, bucket_plans

# How long a second pass over the loader may take, to see whether its shapes come again.
_SECOND_PASS_S = 5.0
_TRIED_S = 10.0  # how long new shapes are tried on the model
_NOTE_EVERY = 50  # batches between two notes of the progress
COMPILE_NOTE = (
    "unknown: not measured here; public reports of a compilation that hurt go from 6 to 45 minutes "
    "[https://github.com/pytorch/xla/issues/6614, "
    "https://github.com/aws-neuron/aws-neuron-sdk/issues/646]; give --compile-minutes"
)
STOOD_IN = (
    "the model or the loader asks for CUDA, and the CPU stood in; glia check names the places"
)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asks of the plan.

    `limit` batches are read at most. The plan is the smallest that wastes at most `max_waste` and
    has at most `max_graphs` buckets; `multiple` rounds lengths up. `compile_minutes` per graph.
    """

    limit: int = 1000
    max_waste: float = 0.1
    max_graphs: int | None = None
    multiple: int = 1
    compile_minutes: float | None = None


def check_shapes(
    model: str, data: str, wishes: Wishes, progress: Progress | None = None
) -> ShapeReport:
    """The census of `data` (file.py:loader) for `model`; see `ShapeReport`.

    Raises:
        UsageError: no such file, folder or name.
        ModelError: the model or the loader fails, yields nothing, or the two do not fit.
    """
    progress = progress or NullProgress()
    report, stood_in = on_a_cpu(lambda: _checked(model, data, wishes, progress))
    return replace(report, advice=(STOOD_IN, *report.advice)) if stood_in else report


def _checked(model: str, data: str, wishes: Wishes, progress: Progress) -> ShapeReport:
    start = time.perf_counter()
    with _set_aside(), progress.step("load") as step:
        found, loader = load_model(model), load_data(data)
        step.note(f"{found.name}, {loader.spec}")
    with _set_aside(), progress.step("read") as step:
        read = _Read(found, loader, wishes.limit)
        read.all(step)
    with _set_aside(), progress.step("repeat") as step:
        second = read.second_step()
        step.note("the second step repeats the first" if second.ok else "it does not repeat")
    varying = read.census.varying()
    plans = bucket_plans(varying.sizes(), wishes.multiple, varying.grows) if varying.dims else ()
    chosen, why = choose_plan(plans, wishes)
    return ShapeReport(
        model=found.name,
        data=loader.spec,
        call=read.call.words,
        num_batches=read.census.num_batches,
        is_complete=read.is_complete,
        inputs=read.census.inputs,
        varying=varying.dims,
        graphs=read.census.graphs,
        plans=plans,
        chosen=chosen,
        why=why,
        compile_time=_compile_time(wishes),
        compile_note="" if wishes.compile_minutes else COMPILE_NOTE,
        syncs=read.syncs(),
        second=second,
        advice=(
            *read.refusals,
            *advice_for_step(second),
            *advice_for(read.census, read.parameters, read.is_complete, read.num_new),
        ),
        wall_s=time.perf_counter() - start,
    )


@contextmanager
def _set_aside() -> Iterator[None]:
    """Inside, what the user's code prints does not mix with the report."""
    with redirect_stdout(io.StringIO()):
        yield


def _compile_time(wishes: Wishes) -> Estimate | None:
    if wishes.compile_minutes is None:
        return None
    return exact(60 * wishes.compile_minutes, "s", "given with --compile-minutes")


class _Read:
    """One reading of the loader, and what was kept of it."""

    def __init__(self, found: LoadedModel, loader: Data, limit: int) -> None:
        from glia.port.shapes.torch_batch import parameter_names

        self._found, self._loader, self._limit = found, loader, limit
        self.parameters = self._names = parameter_names(found.module)
        self.census = Census()
        self.is_complete = True
        self.num_new: int | None = None  # shapes of a second pass that the first did not have
        self._first: Any = None
        self._same: Any = None
        self._tried_s = 0.0
        self.refusals: list[str] = []

    def all(self, step: Step) -> None:
        """Read the batches, find out how the model takes them, count their shapes."""
        from glia.port.shapes.torch_batch import find_call

        start = time.perf_counter()
        for number, batch in enumerate(self._loader.batches(self._limit + 1)):
            if number == self._limit:
                self.is_complete = False
                break
            if number == 0:
                self.call = find_call(self._found.module, self._found.name, batch)
            self._add(batch, number, self.census)
            if number % _NOTE_EVERY == 0:
                step.note(self._read_so_far("shape"))
        if not self.census.num_batches:
            raise ModelError(
                f"reading {self._loader.spec}: got no batch, expected at least one; see that its "
                "data are there and that it was not read to the end before"
            )
        took_s = time.perf_counter() - start
        step.note(self._read_so_far("distinct graph"))
        if self.is_complete and self._loader.is_fresh and took_s < _SECOND_PASS_S:
            self._read_again()

    def _read_so_far(self, of: str) -> str:
        batches = counted(self.census.num_batches, "batch", "batches")
        return f"{batches}, {counted(len(self.census.counts), of)}"

    def _add(self, batch: Any, number: int, census: Census) -> None:
        from glia.port.shapes.torch_batch import arguments, signature_of

        given = arguments(self.call, batch, number)
        signature = signature_of(*given, self._names)
        if census is self.census:
            if signature not in census.counts and number:
                self._try(given, number, signature)
            if self._first is None:
                self._first, self._signature = given, signature
            elif self._same is None and signature == self._signature:
                self._same = given
        census.add(signature)

    def _try(self, given: Any, number: int, signature: Signature) -> None:
        """Whether the model takes shapes that come for the first time."""
        from glia.port.shapes.torch_batch import fails

        if self._tried_s > _TRIED_S:
            return
        start = time.perf_counter()
        why = fails(self._found.module, given)
        self._tried_s += time.perf_counter() - start
        if why:
            shapes = ", ".join(map(str, signature))
            self.refusals.append(f"the model fails on batch {number} ({shapes}): {why}")

    def _read_again(self) -> None:
        census = Census()
        for number, batch in enumerate(self._loader.batches(self._limit)):
            self._add(batch, number, census)
        self.num_new = len(set(census.counts) - set(self.census.counts))

    def second_step(self) -> SecondStep:
        """Whether a second call repeats the first."""
        from glia.frontends.torch.repeat import second_step

        return second_step(self._found.module, self._first, self._same)

    def syncs(self) -> Any:
        """The lines at which the host waits, in a call of the model and in its file."""
        from glia.port.shapes.syncs import sync_places

        source = Path(self._found.source)
        files = [source] if source.is_file() else []
        args, kwargs = self._first
        with _set_aside():
            return sync_places(self._found.module, args, kwargs, files)


def choose_plan(plans: Sequence[BucketPlan], wishes: Wishes) -> tuple[int | None, str]:
    """The place of the plan to take, and why it."""
    if not plans:
        return None, "shapes never change: there is nothing to pad"
    limit = wishes.max_graphs or MAX_GRAPHS
    allowed = [i for i, p in enumerate(plans) if p.num_graphs <= limit]
    good = [i for i in allowed if plans[i].waste <= wishes.max_waste]
    percent = f"{100 * wishes.max_waste:g} %"
    if good:
        return good[0], f"the fewest graphs that waste at most {percent}"
    best = min(allowed, key=lambda i: plans[i].waste)
    return best, f"no plan of at most {limit} graphs wastes {percent} or less; this wastes least"
