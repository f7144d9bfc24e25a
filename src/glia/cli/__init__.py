"""Argument parsing and printing only; nobody imports it."""

from glia.cli.app import main

__all__ = ["main"]
