"""Where this code runs: on the accelerator of the machine, else on the CPU.

Written by `glia fix`; from now on it belongs to this project: read it, change it. `glia fix` never
changes what stands here, it only adds functions that are missing. On CUDA every function calls what
the code called before, with the same arguments. ACCEL_DEVICE=cpu in the environment (or neuron,
xla, mps, ...) overrides the choice.
"""
