"""What a traced kernel does with the chip: from streams and timelines to a `KernelProfile`."""

from glia.silicon.profile.build import build_profile, predicted

__all__ = ["build_profile", "predicted"]
