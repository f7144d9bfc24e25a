"""What memory the machine has left."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from glia.core import machine


def test_available_memory_is_a_part_of_all():
    everything = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    free = machine.available_bytes()
    assert free is not None and 0 < free <= everything


def test_a_control_group_that_allows_less_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    texts = {
        "/proc/meminfo": "MemTotal: 90 kB\nMemAvailable:   80 kB\n",
        "/sys/fs/cgroup/memory.max": "50000\n",
        "/sys/fs/cgroup/memory.current": "20000\n",
    }
    monkeypatch.setattr(machine, "_read", texts.get)
    assert machine.available_bytes() == 30000
    texts["/sys/fs/cgroup/memory.max"] = "max\n"
    assert machine.available_bytes() == 80 * 1024
