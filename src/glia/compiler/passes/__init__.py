"""Graph-to-graph passes, one file each: `fold_constants.py` holds the pass `fold-constants`."""
