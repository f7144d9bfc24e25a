"""One thread for matrix products.

A product of tile size is too small to share: waking the other threads costs more than it saves, and
on a busy machine they wait for each other many times as long as the product takes.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any


def one_blas_thread() -> AbstractContextManager[Any]:
    """Inside, NumPy's products run on the calling thread; afterwards as before."""
    return _controller().limit(limits=1, user_api="blas")


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
