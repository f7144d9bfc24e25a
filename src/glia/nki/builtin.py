"""`nki.builtin`: what kernels of NKI 0.3 found as built-in; Python's own names serve."""
