"""A machine with one CUDA device, played by the CPU, so that models that ask for one can be run."""

from glia.frontends.torch.stand_in.machine import StandIn, standing_in

__all__ = ["StandIn", "standing_in"]
