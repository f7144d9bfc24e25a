"""Stand-in for `neuronxcc.starfish.support.util`: comparison of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np


def allclose(actual: Any, desired: Any, rtol: float = 1e-5, atol: float = 1e-8, **_: Any) -> bool:
    """NumPy's allclose in float64, whatever the formats."""
    one, other = (np.asarray(a).astype(np.float64) for a in (actual, desired))
    return bool(np.allclose(one, other, rtol=rtol, atol=atol))
