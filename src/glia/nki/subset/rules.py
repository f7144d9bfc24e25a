"""All rules of the subset, in the order in which their findings are named."""

from glia.nki.subset.calls import CALLS
from glia.nki.subset.expressions import EXPRESSIONS
from glia.nki.subset.names import NAMES
from glia.nki.subset.rule import Rule
from glia.nki.subset.statements import STATEMENTS

RULES: tuple[Rule, ...] = (*STATEMENTS, *EXPRESSIONS, *NAMES, *CALLS)
