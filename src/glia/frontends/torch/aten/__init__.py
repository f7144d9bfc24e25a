"""What each aten op means as graph nodes; importing this package fills the table of rules."""

from glia.frontends.torch.aten import (
    activation,
    arithmetic,
    composite,
    contraction,
    creation,
    indexing,
    logic,
    reduction,
    shape,
)
from glia.frontends.torch.aten.table import RULES, bind, find

__all__ = [
    "RULES",
    "activation",
    "arithmetic",
    "bind",
    "composite",
    "contraction",
    "creation",
    "find",
    "indexing",
    "logic",
    "reduction",
    "shape",
]
