"""Edits of a file: its text and tree side by side, where lines go, the patch that comes of it."""
