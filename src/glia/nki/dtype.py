"""`nki.dtype`: the dtypes by their older module name."""

from glia.nki.language.dtypes import *  # noqa: F403
from glia.nki.language.dtypes import PUBLIC

__all__ = [*PUBLIC]
