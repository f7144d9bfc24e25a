"""Plain arguments that no instruction takes: refused at the call, not when values run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import glia.nki.isa as nisa
import glia.nki.language as nl
from glia.core.errors import KernelError
from glia.isa.launch.builder import StreamBuilder, tracing
from glia.isa.target import target_of

HUGE = 10**400


def tile() -> Any:
    return nl.zeros((128, 8), nl.float32)


RULES: list[tuple[str, Callable[[Any], Any], str]] = [
    ("operand", lambda x: nisa.tensor_scalar(x, x, nl.add, HUGE), "tensor_scalar operand0: got an"),
    ("scale", lambda x: nisa.activation(x, nl.exp, x, scale=HUGE), "activation scale: got an"),
    ("memset", lambda x: nisa.memset(x, -HUGE), "memset value: got an integer of 1329 bits"),
    ("engine", lambda x: nisa.memset(x, 1, engine=5), "memset engine: got 5, expected a member"),
    ("no engine", lambda x: nisa.memset(x, 1, engine=None), "memset engine: got None"),
    ("name", lambda x: nisa.memset(x, 1, name=5), "memset name: got 5, expected a string"),
]


@pytest.mark.parametrize(("call", "text"), [r[1:] for r in RULES], ids=[r[0] for r in RULES])
def test_refused(call: Callable[[Any], Any], text: str):
    with (
        pytest.raises(KernelError) as caught,
        tracing(StreamBuilder("test", target_of("trn2"))),
    ):
        call(tile())
    assert str(caught.value).startswith(f"{Path(__file__).name}:")
    assert text in str(caught.value)


def test_the_largest_number_of_float32_is_none_of_them():
    with tracing(StreamBuilder("test", target_of("trn2"))):
        nisa.memset(tile(), 2**127, name=None)


PACKED = ["float8_e4m3fn_x4", "float8_e5m2_x4", "float4_e2m1fn_x4"]


@pytest.mark.parametrize("kind", PACKED)
def test_packed_formats_are_of_chips_with_mx(kind: str):
    for chip in ("trn1", "trn2"):
        with (
            pytest.raises(KernelError, match=f"{kind} on {chip}.*matrices of shared scales"),
            tracing(StreamBuilder("test", target_of(chip))),
        ):
            nl.ndarray((128, 8), kind)
    with tracing(StreamBuilder("test", target_of("trn3"))):
        assert nl.ndarray((128, 8), kind).dtype.name == kind


@pytest.mark.parametrize("kind", PACKED)
def test_nor_can_other_numbers_be_taken_for_them(kind: str):
    for chip in ("trn1", "trn2"):
        for look in (lambda t: t.view(kind), lambda t: t.ap([[32, 128], [1, 8]], dtype=kind)):
            with (
                pytest.raises(KernelError, match=f"got {kind} on {chip}"),
                tracing(StreamBuilder("test", target_of(chip))),
            ):
                look(nl.ndarray((128, 32), nl.uint8))
    with tracing(StreamBuilder("test", target_of("trn3"))):
        assert nl.ndarray((128, 32), nl.uint8).view(kind).dtype.name == kind
