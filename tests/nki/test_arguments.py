"""Arguments that a kernel cannot take: the text names the argument, the call and the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.dtypes import DTYPES, dtype
from glia.core.errors import KernelError
from glia.isa.target import target_of
from glia.nki.kernel import TensorSpec

X = np.ones((128, 8), np.float32)


@nki.jit
def copied(x: Any, y: Any = None) -> Any:
    out = nl.ndarray(x.shape, x.dtype, nl.shared_hbm)
    nisa.dma_copy(out, nl.load(x))
    return out


def refused(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(KernelError) as caught:
        nki.simulate(copied)(*args, **kwargs)
    return str(caught.value)


@pytest.mark.parametrize(
    ("given", "near"),
    [
        (np.ones((128, 8)), "astype(np.float32)"),
        (np.ones((128, 8), int), "astype(np.int32)"),
        (torch.ones((128, 8), dtype=torch.float64), "to(torch.float32)"),
        (np.ones((128, 8), complex), "convert it first"),
    ],
)
def test_formats_that_no_chip_has_are_refused_at_the_argument(given: Any, near: str):
    text = refused(X, given)
    assert "kernel copied, argument y" in text and near in text
    assert str(given.dtype).removeprefix("torch.") in text
    assert f"{Path(__file__).name}:" in text


def test_shapes_without_data_are_refused_alike():
    with pytest.raises(KernelError, match=r"argument x: got float64.*x\.astype\(np\.float32\)"):
        copied.trace(TensorSpec((128, 8), dtype("float64")), target=target_of("trn2"))


def test_every_format_of_the_language_is_taken():
    own = [
        kind for name, kind in DTYPES.items() if hasattr(nl, "bool_" if name == "bool" else name)
    ]
    assert len(own) > 15
    for kind in own:
        made = copied.trace(TensorSpec((128, 8), kind), target=target_of("trn3"))
        assert made.inputs[0].dtype == kind


def test_a_call_that_does_not_fit_names_the_call_and_the_kernel():
    here = Path(__file__).name
    with pytest.raises(KernelError) as caught:
        nki.simulate(copied)()  # the call
    line = next(i for i, t in enumerate(_lines(), 1) if t.endswith("# the call\n"))
    text = str(caught.value)
    assert text.startswith(f"{here}:{line}: calling kernel copied: got no arguments"), text
    first = copied.function.__code__.co_firstlineno
    assert f"defined at {here}:{first}" in text and "'x'" in text
    assert "'yy'" in refused(X, yy=1) and "did you mean 'y'" in refused(X, yy=1)
    assert "positional arguments: 3" in refused(X, X, X)


def _lines() -> list[str]:
    return Path(__file__).read_text().splitlines(keepends=True)
