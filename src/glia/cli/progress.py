"""Progress of a long verb on stderr: a moving line on a terminal, one plain line per step else.

A step that is done leaves one line: its name, what it found, how long it took. Steps may nest.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from glia.core.units import format_quantity

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

    from glia.core.progress import Progress

NAME_WIDTH = 18


class ConsoleStep:
    """One step under way: where its line stands, and what to say when it is done."""

    def __init__(self, name: str, bar: Bar | None, task: TaskID | None) -> None:
        self.name = name
        self.text = ""
        self._bar = bar
        self._task = task

    def note(self, text: str) -> None:
        """The step's result in one line; the last one counts."""
        self.text = text

    def advance(self, fraction: float) -> None:
        """How much of the step is done, 0 to 1; a step that never says so shows no bar."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, total=1.0, completed=min(max(fraction, 0.0), 1.0))


class ConsoleProgress:
    """Shows steps on stderr; see the module."""

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console

        self._console = console or Console(stderr=True, highlight=False)
        self._bar: Bar | None = None
        self._depth = 0

    @contextmanager
    def step(self, name: str) -> Iterator[ConsoleStep]:
        """Show `name` as under way until the block ends, then its one-line result."""
        bar = self._start()
        task = bar.add_task(name, total=None) if bar is not None else None
        step = ConsoleStep(name, bar, task)
        started = time.perf_counter()
        try:
            yield step
        except BaseException:
            self._finish(step, task, started, failed=True)
            raise
        self._finish(step, task, started, failed=False)

    def _start(self) -> Bar | None:
        self._depth += 1
        if self._bar is None and self._console.is_terminal:
            self._bar = _moving_lines(self._console)
            self._bar.start()
        return self._bar

    def _finish(self, step: ConsoleStep, task: TaskID | None, started: float, failed: bool) -> None:
        self._depth -= 1
        if self._bar is not None and task is not None:
            self._bar.remove_task(task)
            if self._depth == 0:
                self._bar.stop()
                self._bar = None
        self._print(step, time.perf_counter() - started, failed)

    def _print(self, step: ConsoleStep, elapsed_s: float, failed: bool) -> None:
        from rich.text import Text

        mark = Text("failed " if failed else "", style="bold red")
        indent = "  " * self._depth
        line = Text(f"{indent}{step.name}".ljust(NAME_WIDTH), style="bold")
        took = Text(f"{'  ' if step.text else ''}{format_quantity(elapsed_s, 's')}", style="dim")
        self._console.print(line + Text(" ") + mark + Text(step.text) + took, soft_wrap=True)


def _moving_lines(console: Console) -> Bar:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True)


def progress_for(json: bool) -> Progress:
    """The progress to show: silent when JSON was asked for and stderr is not a terminal."""
    from glia.core.progress import NullProgress

    return NullProgress() if json and not sys.stderr.isatty() else ConsoleProgress()
