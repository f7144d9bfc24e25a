"""What the real compiler refuses in a kernel's source, found without running it.

The compiler reads a subset of Python. Each rule here is one record with a bad and a good example.
"""

from glia.nki.subset.rule import Rule
from glia.nki.subset.rules import RULES
from glia.nki.subset.walk import check_source

__all__ = ["RULES", "Rule", "check_source"]
