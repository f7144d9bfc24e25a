"""What the machine that glia runs on has left, where the system says so."""

from __future__ import annotations

import os
import re
from pathlib import Path


def available_bytes() -> int | None:
    """Memory that a process may still take without swapping; None where nothing tells.

    Linux says it in /proc/meminfo, and a control group may allow less (its v2 files).
    """
    limits = [n for n in (_meminfo(), _control_group(), _physical()) if n is not None]
    return min(limits, default=None)


def _meminfo() -> int | None:
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _read("/proc/meminfo"), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _control_group() -> int | None:
    most, used = _read("/sys/fs/cgroup/memory.max"), _read("/sys/fs/cgroup/memory.current")
    if not most.strip().isdigit() or not used.strip().isdigit():
        return None
    return max(0, int(most) - int(used))


def _physical() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""
