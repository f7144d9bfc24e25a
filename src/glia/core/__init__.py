"""dtypes, units, errors, and the plain frozen records that everyone exchanges."""
