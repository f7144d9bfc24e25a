"""The work behind `glia nki`: kernel files, arguments, runs, profiles, comparisons, checks."""
