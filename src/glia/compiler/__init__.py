"""Passes (one file each) from `graph` to a `Program` of kernel launches.

compiled = compile_graph(graph, chip, precision)
"""

from glia.compiler.compile import compile_graph
from glia.compiler.program import Buffer, Compiled, Launch, Program

__all__ = ["Buffer", "Compiled", "Launch", "Program", "compile_graph"]
