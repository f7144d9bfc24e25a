"""One TOML file per chip, and the schema that reads them: every number carries unit, mark, source.

load_chip("trn2").silicon.clock.tensor.value    # 2.4e9, Hz
"""

from glia.chips.loader import list_chips, load_chip, read_chip
from glia.chips.schema import PEAK_UNITS, Chip, Link, Rental
from glia.chips.silicon import Capabilities, Energy, Silicon

__all__ = [
    "PEAK_UNITS",
    "Capabilities",
    "Chip",
    "Energy",
    "Link",
    "Rental",
    "Silicon",
    "list_chips",
    "load_chip",
    "read_chip",
]
