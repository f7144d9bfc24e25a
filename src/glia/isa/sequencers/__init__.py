"""Registers, scalars, and what leaves them for memory."""
