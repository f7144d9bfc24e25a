"""Turns records into console tables, one HTML page, and traces; knows no producer."""
