"""Storages, and the views on them that instructions read and write."""
