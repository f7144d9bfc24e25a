"""Jobs that run no values say that they do not follow run-time addresses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from glia.core.errors import KernelError
from glia.core.progress import NullProgress
from glia.nki.tools.check import check
from glia.nki.tools.launch import prepare
from glia.nki.tools.profile import profile_kernel
from glia.nki.tools.run import run_kernel

# Both cores write row 0 of the result, each another value, at an address that is data.
FILE = """
import nki
import nki.isa as nisa
import nki.language as nl
import numpy as np


@nki.jit
def kernel(x, places):
    out = nl.ndarray((2, 64), dtype=x.dtype, buffer=nl.shared_hbm)
    row = nl.ndarray((1, 64), dtype=x.dtype, buffer=nl.sbuf)
    place = nl.ndarray((1, 1), dtype=nl.int32, buffer=nl.sbuf)
    core = nl.program_id(0)
    nisa.dma_copy(row, x[core:core + 1])
    nisa.dma_copy(place, places)
    nisa.dma_copy(out{target}, row)
    return out


def kernel_args():
    x = np.arange(128, dtype=np.float32).reshape(2, 64)
    return {"x": x, "places": np.zeros((1, 1), np.int32)}
"""
AT_RUN_TIME = ".ap([[64, 1], [1, 64]], scalar_offset=place, indirect_dim=0)"
LINE = r"addresses known only at run time are not followed here \(instructions: 2; kernel.py:16\)"
SILENT = NullProgress()


def written(tmp_path: Path, target: str) -> str:
    path = tmp_path / "kernel.py"
    path.write_text(FILE.replace("{target}", target))
    return str(path)


def notes(path: str) -> tuple[str, str]:
    """What the profile notes, and what the check does."""
    profile, _ = profile_kernel(prepare(f"{path}:kernel", (), num_cores=2), SILENT)
    (found,) = check(path, (), 2, SILENT).kernels
    return "\n".join(profile.notes), found.note


def test_profile_and_check_say_what_only_a_run_finds(tmp_path: Path):
    path = written(tmp_path, AT_RUN_TIME)
    for note in notes(path):
        assert note.count("known only at run time") == 1
        assert re.search(LINE, note)
        assert note.endswith("are checked by glia nki run")
    with pytest.raises(KernelError, match="writing the same shared bytes"):
        run_kernel(prepare(f"{path}:kernel", (), num_cores=2), SILENT)


def test_nothing_is_said_where_all_addresses_are_known(tmp_path: Path):
    path = written(tmp_path, "[core:core + 1]")
    assert not any("run time" in note for note in notes(path))
