"""What a model does, operation by operation, against what is documented about a target."""
