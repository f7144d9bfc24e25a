"""glia's own kernels, one file per family, written in the public kernel language alone.

Each file names the graph op that it implements and says what it accepts; `accepts` answers for
one case. Kernels import `glia.nki`, `glia.nki.language`, `glia.nki.isa` and each other's helpers,
nothing else, so that they run on AWS's `nki` with that import changed.
"""
