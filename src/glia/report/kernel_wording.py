"""Words about kernel profiles that the console and the page share."""

from __future__ import annotations

from glia.core.kernel_records import KernelProfile


def no_advice_text(p: KernelProfile) -> str:
    """Why the list of advice is empty: nothing gained, or nothing was tried."""
    if p.untried:
        return f"No change was tried: {p.untried}."
    return "Nothing that glia can re-time would gain 1 % of the time."


def engines_note(p: KernelProfile) -> str:
    """What the engine table of several cores adds up; empty for one core."""
    if p.num_cores == 1:
        return ""
    return f"instructions of all {p.num_cores} cores; times and shares are the mean of a core"
