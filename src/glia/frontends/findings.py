"""The error of a model that would not move as it is: all reasons at once."""

from __future__ import annotations

from collections.abc import Sequence

from glia.core.errors import UnsupportedError
from glia.core.records import Finding


class BlockedError(UnsupportedError):
    """Raised with every finding of severity `blocks`; `findings` holds them."""

    def __init__(self, model: str, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        count = len(self.findings)
        noun = "operation" if count == 1 else "operations"
        lines = [f"  {_where(f)}{f.what}: {f.do}" for f in self.findings]
        text = f"capturing {model}: got {count} {noun} that glia cannot move; change these:"
        super().__init__("\n".join([text, *lines]))


def _where(finding: Finding) -> str:
    if finding.source is None:
        return ""
    code = f" ({finding.source.code})" if finding.source.code else ""
    return f"{finding.source}{code}: "
