"""What stands around a file: who imports it, how it is loaded, what a build takes of it."""
