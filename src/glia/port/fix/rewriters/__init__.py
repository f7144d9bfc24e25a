"""What `glia fix` does for each rule: one function per rule, beside others of its kind."""
