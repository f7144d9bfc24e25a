"""`glia nki profile`: what a kernel does with the chip; no values are needed."""

from __future__ import annotations

from dataclasses import replace

from glia.core.kernel_records import KernelProfile
from glia.core.progress import Progress
from glia.core.records import Span
from glia.nki.tools.launch import Launch
from glia.silicon.profile import build_profile
from glia.silicon.profile.unfollowed import unfollowed


def profile_kernel(launch: Launch, progress: Progress) -> tuple[KernelProfile, tuple[Span, ...]]:
    """Trace a kernel and explain its time; the record, and every instruction as a span.

    Raises:
        KernelError: for whatever the chip refuses, with the kernel's file and line.
    """
    with progress.step("trace") as step:
        streams = launch.streams()
        step.note(f"{sum(len(s.instructions) for s in streams):,} instructions")
    with progress.step("time and advice") as step:
        profile, spans = build_profile(
            streams, launch.target.chip, str(launch.path), launch.shown()
        )
        step.note(str(profile.time))
    return replace(profile, notes=(*profile.notes, *unfollowed(streams))), spans
