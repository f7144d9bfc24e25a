"""A pytest plugin: nki-library's own tests in their simulation mode, on glia.

Loaded with `-p library_plugin` in a checkout of aws-neuron/nki-library. It stands in for two
modules that the public repository imports and does not contain, gives the simulator the name under
which the tests look for it, and writes one JSON line per test to $CONFORMANCE_LOG.
"""

from __future__ import annotations

import enum
import importlib
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import glia.nki.install  # noqa: F401 - makes `import nki` find glia

_SIMULATOR = "nki_cpu_simulator"
_PARTS = ("language", "language.dtypes", "isa", "isa.constants", "typing", "compiler", "tensor",
          "builtin")  # fmt: skip


class LockStatus(enum.Enum):
    """Members of the missing module's enum that the tests name."""

    ALLOCATED = 0
    NO_CORES = 1
    DRAINING = 2
    DRAINED = 3
    RELEASED = 4
    UNDRAINED = 5
    ERROR = 6
    FLOCK_TIMEOUT = 7


class LockResult:
    """Stands in for the missing module's result."""


def _module(name: str, **members: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(members)
    sys.modules[name] = made
    return made


def _alias(real: str, name: str) -> None:
    parent, _, leaf = name.rpartition(".")
    try:
        found = importlib.import_module(real)
    except ImportError:  # a part of the simulator that glia has no need of
        found = _module(real)
    sys.modules[name] = found
    setattr(sys.modules[parent], leaf, found)


_module("test.utils.perf_analysis_private", analyze_trace=lambda *_, **__: None)
_module("test.utils.scripts", __path__=[])
_module("test.utils.scripts.remote_lock_scripts", LockStatus=LockStatus, LockResult=LockResult)
_module(_SIMULATOR, __path__=[])
_alias("nki", f"{_SIMULATOR}.nki")
for _part in _PARTS:
    _alias(f"nki.{_part}", f"{_SIMULATOR}.nki.{_part}")


def pytest_collection_finish() -> None:
    """What simulation mode reads and never sets, and a dump that only hardware needs."""
    found = sys.modules.get("test.utils.test_orchestrator")
    if found is not None:
        found.Orchestrator._compiled_kernel = None  # type: ignore[attr-defined]
        found.Orchestrator.__dump_kernel_inputs__ = lambda *_: {}  # type: ignore[attr-defined]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """One line per test: id, outcome, seconds, first lines of what was said."""
    log = os.environ.get("CONFORMANCE_LOG")
    if not log or (report.when != "call" and report.outcome == "passed"):
        return
    crash = getattr(report.longrepr, "reprcrash", None)
    said = crash.message if crash else str(report.longrepr or "")
    line = [report.nodeid, report.outcome, round(report.duration, 3), said[:600]]
    with Path(log).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
