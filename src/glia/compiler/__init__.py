"""Passes (one file each) from `graph` to a `Program` of kernel launches.

program = compile_graph(graph, chip, precision)
"""

from glia.compiler.compile import compile_graph
from glia.compiler.program import Buffer, Launch, Program

__all__ = ["Buffer", "Launch", "Program", "compile_graph"]
