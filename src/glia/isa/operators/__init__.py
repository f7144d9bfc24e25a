"""What instructions compute: ALU operators, activation functions, and their public tokens."""
