"""Arguments of wrong types: said in the kernel author's words, never in those of glia's inside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import glia.nki as nki
import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import KernelError, UsageError

X = np.ones((4, 4), np.float32)


def copied(x, y):
    out = nl.ndarray(x.shape, x.dtype, buffer=nl.shared_hbm)
    tile = nl.load(x)
    nisa.dma_copy(out, tile)
    return out


@pytest.mark.parametrize(
    ("given", "said"),
    [(3, "the number 3"), (None, "None"), ("a", "'a'"), ([1, 2], "a value of type list")],
)
def test_an_argument_that_is_no_tensor(given: Any, said: str):
    text = rf"test_wrong_types.py:19: kernel copied, argument x: got {said}, expected a tensor"
    with pytest.raises(KernelError, match=text) as caught:
        nki.simulate(copied, target="trn2")(given, X)
    assert isinstance(caught.value, AttributeError)  # as Python has it


@pytest.mark.parametrize("kind", ["<U1", "object"])
def test_an_array_of_no_numbers(kind: str):
    with pytest.raises(
        KernelError, match=r"copied, argument x: got an array of .*, expected a form"
    ):
        nki.simulate(copied, target="trn2")(np.array(["a"], kind), X)


def test_a_target_that_is_no_name():
    with pytest.raises(UsageError, match="target: got 3"):
        nki.simulate(copied, target=3)(X, X)  # type: ignore[arg-type]


CALLS: list[tuple[str, Any, str]] = [
    ("sum", lambda t: nl.sum(t, "a"), "calling sum: got x=.*axis='a'.*expected sum.x, axis"),
    ("where", lambda t: nl.where(3, 4, 5), "calling where: got condition=3"),
    ("matmul", lambda t: nl.matmul(t, 3), "calling matmul: got .*y=3"),
    ("permute", lambda t: t.permute(1), "calling permute: got dims=1, expected permute.dims"),
    ("reshape", lambda t: t.reshape("a"), "calling reshape: got shape='a'"),
    ("slice", lambda t: t.slice("a", 0, 1), "calling slice: got dim='a'"),
    ("range", lambda t: nl.affine_range("a"), "calling affine_range: got start='a'"),
    ("exp", lambda t: nl.exp(3), "nl.exp: got the number 3, expected a tile"),
    ("sin", lambda t: nl.sin("a"), "nl.sin: got 'a', expected a tile"),
    ("add", lambda t: nl.add(t), "nl.add: got 1 argument, expected add.x, y"),
    ("view", lambda t: t.view("fp7"), "reinterpreting t.*: dtype: got 'fp7'"),
    ("ap", lambda t: t.ap([[4, 4], [1, 4]], dtype="fp7"), "access pattern t.*: dtype: got 'fp7'"),
]


@pytest.mark.parametrize(("call", "text"), [c[1:] for c in CALLS], ids=[c[0] for c in CALLS])
def test_a_call_with_what_it_does_not_take(call: Any, text: str):
    def kernel(x):
        t = nl.load(x)
        t.storage.name = "t"
        call(t)
        return x

    with pytest.raises(KernelError, match=rf"^test_wrong_types.py:\d+: {text}"):
        nki.simulate(kernel, target="trn2")(X)


def test_the_authors_own_mistakes_stay_as_they_are():
    def kernel(x):
        return x.shape + undefined  # noqa: F821

    with pytest.raises(KernelError, match=r"NameError: name 'undefined' is not defined"):
        nki.simulate(kernel, target="trn2")(X)
