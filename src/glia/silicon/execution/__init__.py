"""Values: one core, several cores and ranks, and what they may not do to each other."""
