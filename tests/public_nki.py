"""`import nki` as it is outside of pytest, where the folder `tests/nki` has taken that name."""

from __future__ import annotations

import sys

import pytest

import glia.nki
import glia.nki.install


@pytest.fixture(autouse=True)
def public_nki(monkeypatch):
    """`nki` is glia's during the test."""
    monkeypatch.setitem(sys.modules, "nki", glia.nki)
