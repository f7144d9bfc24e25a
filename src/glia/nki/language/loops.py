"""Loop names of the public API; all unroll while tracing, as `range` does."""

affine_range = sequential_range = static_range = range
