"""A kept list of planted bugs: each is refused with the right error at the right line.

The look-alikes beside them are legal, and run.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from faults import cores, engines, matmul_and_dma, memory, run_time  # noqa: F401 - they fill the lists
from faults.planted import FAULTS, LOOK_ALIKES, Fault, run
from glia.core.errors import KernelError

# A warning does not count as caught.
pytestmark = pytest.mark.filterwarnings("ignore::glia.nki.UnspecifiedWarning")
MIN_FAULTS = 60


@pytest.mark.parametrize("planted", FAULTS, ids=lambda f: f.name)
def test_is_refused_where_it_stands(planted: Fault):
    with pytest.raises(KernelError) as caught:
        run(planted)
    text = str(caught.value)
    file = Path(planted.body.__code__.co_filename).name
    where, line, _ = text.split(":", 2)
    assert where == file and int(line) in planted.lines, text
    assert re.search(planted.error, text), text
    assert "got " in text and "expected " in text, text


@pytest.mark.parametrize("legal", LOOK_ALIKES, ids=lambda f: f.name)
def test_what_only_looks_wrong_runs(legal: Fault):
    run(legal)


def test_the_list_is_kept():
    names = [f.name for f in (*FAULTS, *LOOK_ALIKES)]
    assert len(names) == len(set(names))
    assert len(FAULTS) >= MIN_FAULTS
    assert all(f.source for f in (*FAULTS, *LOOK_ALIKES))
