"""Kernels that run on without issuing anything are stopped; those that only wait are not."""

from __future__ import annotations

import bdb
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import KernelError, UsageError
from glia.nki.watch import VARIABLE, DeadlineError

X = np.ones((4, 4), np.float32)


def spins(x):
    while True:
        pass


def keeps_exceptions(x):
    while True:
        try:
            _ = sum(range(100))
        except Exception:
            continue


def spins_on_core_1(x):
    while nl.program_id(0) == 1:
        pass
    return x


@pytest.mark.parametrize(
    ("kernel", "cores", "line"),
    [(spins, 1, 24), (keeps_exceptions, 1, 30), (spins_on_core_1, 2, 36)],
)
def test_a_loop_that_issues_nothing(monkeypatch, kernel, cores: int, line: int):
    monkeypatch.setenv(VARIABLE, "0.2")
    with pytest.raises(DeadlineError, match=r"no instruction within 0.2 s.*check the loops") as e:
        nki.simulate(kernel, target="trn2")[cores](X)
    found = int(str(e.value).removeprefix("test_watch.py:").split(":")[0])
    assert line - 2 <= found <= line + 2


def test_the_kernel_that_comes_after_is_untouched(monkeypatch):
    monkeypatch.setenv(VARIABLE, "0.1")
    for _ in range(3):
        with pytest.raises(DeadlineError):
            nki.simulate(spins, target="trn2")(X)
        time.sleep(0.15)
        assert nki.simulate(lambda x: x, target="trn2")(X) is X


PROFILED_AFTERWARDS = """
import faulthandler, sys
import numpy as np
import glia.nki as nki
from glia.nki.watch import DeadlineError

def spins(x):
    while True:
        pass

faulthandler.dump_traceback_later(20, exit=True)
try:
    nki.simulate(spins, target="trn2")(np.ones((4, 4), np.float32))
except DeadlineError:
    sys.setprofile(lambda *_: None)
    (lambda: None)()
    sys.setprofile(None)
    print("came back")
"""


def test_a_profiler_or_debugger_works_after_a_kernel_that_was_stopped(monkeypatch):
    """CPython 3.11 never begins a call under one while an interruption is left (`_receive`)."""
    monkeypatch.setenv(VARIABLE, "0.1")
    words = [sys.executable, "-c", PROFILED_AFTERWARDS]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "came back\n", done.stderr


def test_a_loop_that_only_allocates(monkeypatch):
    def kernel(x):
        while True:
            nl.ndarray((128, 4), nl.float32)

    monkeypatch.setenv("GLIA_MAX_INSTRUCTIONS", "1000")
    with pytest.raises(KernelError, match="this loop does not end"):
        nki.simulate(kernel, target="trn2")(X)


def slow(x):
    tile = nl.ndarray(x.shape, x.dtype)
    for _ in range(6):
        time.sleep(0.1)
        nisa.dma_copy(tile, x)
    return x


def test_a_slow_kernel_is_not_idle(monkeypatch):
    monkeypatch.setenv(VARIABLE, "0.4")
    assert nki.simulate(slow, target="trn2")(X) is X


def waits_for_the_other_core(x):
    """Core 0 asks for what core 1 writes late."""
    shared = nl.ndarray((1, 1), nl.int32, buffer=nl.shared_hbm)
    if nl.program_id(0) == 1:
        tile = nl.full((1, 1), 3, nl.int32)
        for _ in range(6):
            time.sleep(0.1)
            nisa.memset(tile, 3)
        nisa.dma_copy(shared, tile)
    nisa.core_barrier(shared, (0, 1))
    mine = nl.load(shared)
    register = nisa.register_alloc(0)
    nisa.register_load(register, mine)
    assert int(register) == 3
    return x


def test_a_core_that_waits_for_another_is_not_idle(monkeypatch):
    monkeypatch.setenv(VARIABLE, "0.4")
    assert nki.simulate(waits_for_the_other_core, target="trn2")[2](X) is X


class Prompt(bdb.Bdb):
    """A debugger whose user thinks for a while."""

    def user_line(self, frame):
        for _ in range(8):
            time.sleep(0.05)
        self.set_continue()


def test_a_prompt_is_not_idle(monkeypatch):
    def kernel(x):
        Prompt().set_trace()
        return x

    monkeypatch.setenv(VARIABLE, "0.2")
    assert nki.simulate(kernel, target="trn2")(X) is X


def test_it_holds_outside_the_main_thread(monkeypatch):
    monkeypatch.setenv(VARIABLE, "0.2")
    errors: list[BaseException] = []

    def body():
        try:
            nki.simulate(spins, target="trn2")(X)
        except KernelError as error:
            errors.append(error)

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(10)
    assert isinstance(errors[0], DeadlineError)


@pytest.mark.parametrize("text", ["-1", "soon", "inf", "nan"])
def test_the_variable_is_a_number_of_seconds(monkeypatch, text: str):
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(UsageError, match="expected seconds; 0 is no limit"):
        nki.simulate(spins, target="trn2")(X)
