"""What values evidently are and what becomes of them, by reading."""
