"""The virtual chip: memories, execution, hazards, timeline, energy.

A traced `Stream` is executed by `Core.run` (values) and timed by `schedule` (cycles, joules); the
two never need each other.
"""

from glia.silicon.energy import StreamEnergy, stream_energy
from glia.silicon.execution.core import Core, Hbm
from glia.silicon.time.sequence import Placed, SequenceTimeline, schedule_sequence
from glia.silicon.time.timeline import Timeline, schedule, schedule_together
from glia.silicon.time.timing import Timing

__all__ = [
    "Core",
    "Hbm",
    "Placed",
    "SequenceTimeline",
    "StreamEnergy",
    "Timeline",
    "Timing",
    "schedule",
    "schedule_sequence",
    "schedule_together",
    "stream_energy",
]
