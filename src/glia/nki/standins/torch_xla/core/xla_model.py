"""Stand-in for `torch_xla.core.xla_model`, the older names."""

from glia.nki.standins.torch_xla import device as xla_device
from glia.nki.standins.torch_xla import sync as mark_step

__all__ = ["mark_step", "xla_device"]
