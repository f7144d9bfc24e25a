"""`glia fix`: rewrites of what ties code to CUDA, as a patch that the user reads."""
