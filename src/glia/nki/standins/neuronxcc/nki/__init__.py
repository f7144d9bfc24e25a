"""Stand-in for `neuronxcc.nki`: its typing alone. Its language is the one of before NKI 0.2."""

from typing import Any


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"neuronxcc.nki has no name {name!r}: it is the API of NKI 0.1, which no compiler accepts "
        "since 0.4; import nki, nki.language and nki.isa instead (see AWS's migration guide)",
        name=name,
    )
