"""NKI source for groups of elementwise nodes: readable text, one kernel per group and layout."""

from glia.compiler.codegen.fused import FusedKernel, generate

__all__ = ["FusedKernel", "generate"]
