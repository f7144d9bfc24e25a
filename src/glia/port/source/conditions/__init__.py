"""What must be so on a machine for code to run: guards, probes, handlers."""
