"""`glia shapes`: what a loader yields, how many graphs that is, and buckets that make it few."""
