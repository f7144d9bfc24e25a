"""Whether a place may be rewritten: what is known of it, and why some stay as they are."""
