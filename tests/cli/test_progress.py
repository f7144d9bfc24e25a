"""Progress: one plain line per step when piped; on a terminal a moving line, then the same."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from glia.cli.progress import ConsoleProgress


def shown(is_terminal: bool) -> tuple[ConsoleProgress, io.StringIO]:
    text = io.StringIO()
    console = Console(file=text, force_terminal=is_terminal, width=100, color_system=None)
    return ConsoleProgress(console), text


def work(progress: ConsoleProgress) -> None:
    with progress.step("run") as outer:
        with progress.step("trn2") as step:
            step.advance(0.5)
            step.advance(2.0)
            step.note("first thought")
            step.note("1.2 ms (1 to 2 ms)")
        outer.note("two chips [not a style]")


def without_times(text: str) -> list[str]:
    return [re.sub(r"  [\d.]+ \S*s$", "", line).rstrip() for line in text.splitlines()]


def test_piped_is_one_line_per_step():
    progress, text = shown(is_terminal=False)
    work(progress)
    assert without_times(text.getvalue()) == [
        "  trn2             1.2 ms (1 to 2 ms)",
        "run                two chips [not a style]",
    ]
    assert "\x1b" not in text.getvalue()


def test_terminal_leaves_the_same_lines_and_gives_the_cursor_back():
    progress, text = shown(is_terminal=True)
    work(progress)
    lines = without_times(text.getvalue())
    assert any(line.endswith("two chips [not a style]") for line in lines)
    assert text.getvalue().count("\x1b[?25l") == text.getvalue().count("\x1b[?25h")


@pytest.mark.parametrize("is_terminal", [False, True])
def test_a_step_that_fails_says_so_and_lets_the_error_through(is_terminal):
    progress, text = shown(is_terminal)
    with pytest.raises(ValueError, match="broken"), progress.step("prove"):
        raise ValueError("broken")
    assert re.search(r"prove +failed", text.getvalue())
    with progress.step("again"):
        pass
    assert "again" in text.getvalue()


def test_a_long_note_is_not_folded():
    progress, text = shown(is_terminal=False)
    with progress.step("compile") as step:
        step.note("x" * 300)
    assert len(text.getvalue().splitlines()) == 1
