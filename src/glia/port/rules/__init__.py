"""What ties code to CUDA: one record per rule, files by category."""
