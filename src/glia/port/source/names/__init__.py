"""What names stand for, and where in a file they stand."""
