"""Words about kernel profiles that the console and the page share."""

from __future__ import annotations

from glia.core.kernel_records import FileCheck, KernelProfile
from glia.report.wording import count_text


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


def check_text(found: FileCheck) -> str:
    """The verdict of a check in one line; what nobody tried is said to be untried."""
    total = count_text(len(found.kernels), "kernel")
    broken = sum(bool(k.problem) for k in found.kernels)
    refused = sum(not k.ok and not k.problem for k in found.kernels)
    untried = 0 if found.source_only else found.num_unchecked - broken
    parts = [f"{refused} of {total} would be refused"] if refused else []
    parts += [f"{broken} of {total} could not be tried"] if broken else []
    if not parts:
        where = "in the source" if untried or found.source_only else ""
        parts = [" ".join(f"{total}: nothing to refuse was found {where}".split())]
    if untried:
        parts += [
            f"legality of {untried} of {total} was NOT checked, as no arguments are known, and so "
            "the check is incomplete (--source asks for the source alone)"
        ]
    return "; ".join(parts)
