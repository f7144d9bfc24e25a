"""What a graph takes on a chip known only from its data sheet, and what time and energy cost.

`estimate` runs a roofline per operation; `quote` and `quote_roofline` put a price on a run.
"""

from glia.cost.assumptions import assumptions
from glia.cost.price import (
    RentalPrice,
    electricity_usd,
    quote,
    quote_roofline,
    rental_price,
    usd_per_million,
)
from glia.cost.roofline import OpRow, Roofline, estimate

__all__ = [
    "OpRow",
    "RentalPrice",
    "Roofline",
    "assumptions",
    "electricity_usd",
    "estimate",
    "quote",
    "quote_roofline",
    "rental_price",
    "usd_per_million",
]
