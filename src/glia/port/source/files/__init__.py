"""Files of a project: which are read, in which encoding, and which need which."""
