"""What no trace can check: accesses whose addresses are known only once values are there."""

from __future__ import annotations

from collections.abc import Sequence

from glia.isa.stream import Stream
from glia.silicon.profile.movement import place


def unfollowed(streams: Sequence[Stream]) -> tuple[str, ...]:
    """One line where instructions have run-time addresses, for a job that traces and runs nothing.

    Races, reads of what was never written and addresses that leave their tensor are found through
    such addresses by the execution alone (`silicon/execution/witness.py`, `races.py`).
    """
    found = [
        place(one)
        for stream in streams
        for one in stream.instructions
        if any(view.indirection is not None for view in (*one.writes, *one.reads))
    ]
    if not found:
        return ()
    lines = list(dict.fromkeys(found))
    more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    return (
        f"addresses known only at run time are not followed here (instructions: {len(found):,}; "
        f"{lines[0]}{more}): bounds, unwritten memory and races between cores through them are "
        "checked by glia nki run",
    )
